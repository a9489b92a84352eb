"""Which charset bytes are in that come without a word about it: in most, the same bytes are other letters."""

from __future__ import annotations

import pytest

from moonbase.tools.fetching.charsets import guessed

SENTENCES = {
    "cp1252": [
        "The naïve café — “quoted” it’s 5° in Zürich",
        "Le café crème est très bon. J'ai mangé une crème brûlée à la fête de Noël, où l'hôtel était fermé. Ça va ?",
        "La educación en España es obligatoria. El niño comió piñas mañana ¿qué tal? ¡Adiós!",
        "A educação é um direito de todos. São João não está à venda, coração.",
        "Perché è così? La città è più bella quando c'è il sole.",
        "Grüße aus München, schöne Straße",
        "Åsa äter ägg på ön",
        "Blåbærsyltetøy på brød",
        "Allir menn eru bornir frjálsir og jafnir öðrum að virðingu. Það þykir mér",
    ],
    "cp1250": [
        "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi.",
        "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
        "Minden emberi lény szabadon születik. Az őrült űrhajós, egyenlő méltósága és joga van.",
        "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu, čist žeđ",
        "Toate fiinţele umane se nasc libere şi egale în demnitate şi în drepturi",
    ],
    "cp1254": ["İstanbul'da güzel bir gün, şeker ve çay. Işığı kapatır mısın?"],
    "cp1257": ["Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis; jiems suteiktas protas ir sąžinė."],
    "cp1251": ["Привет, мир. Это проверка кодировки русского текста для файла."],
    "cp1253": ["Καλημέρα κόσμε, τι κάνεις; Όλοι οι άνθρωποι γεννιούνται ελεύθεροι."],
    "cp932": ["これはテストです。日本語の文章を読みます。"],
    "gb18030": ["你好世界，这是一个测试。我们今天去图书馆看书。"],
}


@pytest.mark.parametrize(
    ("codec", "text"), [(codec, text) for codec, texts in SENTENCES.items() for text in texts], ids=str
)
def test_a_sentence(codec: str, text: str) -> None:
    assert text.encode(codec).decode(guessed(text.encode(codec))) == text


@pytest.mark.parametrize(
    "word", ["crème brûlée", "niño", "coração", "città", "smörgåsbord", "Straße", "œuvre", "5 € · 20 °C"]
)
def test_a_word_of_western_europe(word: str) -> None:
    text = f"id,name\r\n1,{word}\r\n"
    assert text.encode("cp1252").decode(guessed(text.encode("cp1252"))) == text


@pytest.mark.parametrize(
    ("codec", "text"), [("gb18030", "用Python写程序，再用C语言写一次。"), ("cp949", "Python으로 프로그램을 작성합니다")]
)
def test_signs_behind_letters_are_signs(codec: str, text: str) -> None:
    assert text.encode(codec).decode(guessed(text.encode(codec))) == text


@pytest.mark.parametrize("rows", [1, 5, 200])
def test_a_table_of_names(rows: int) -> None:
    names = ["José Muñoz", "Begoña García", "François Lefèvre", "Jürgen Groß", "João Gonçalves", "Åke Sjöström"]
    text = "id,name\r\n" + "".join(f"{row},{names[row % len(names)]}\r\n" for row in range(rows))
    assert text.encode("cp1252").decode(guessed(text.encode("cp1252"))) == text


@pytest.mark.parametrize("codec", ["gb18030", "cp932", "cp1252"])
def test_a_long_beginning_in_ascii(codec: str) -> None:
    text = "2026-11-21 08:30:00 started\n" * 4_000 + {"gb18030": "我们今天去图书馆看书。"}.get(codec, "") * 3
    text += {"cp932": "日本語の文章を読みます。", "cp1252": "Le café crème est très bon."}.get(codec, "") * 3
    assert text.encode(codec).decode(guessed(text.encode(codec))) == text
