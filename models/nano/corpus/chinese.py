"""The same kinds in Chinese: orders, questions for tools, repeating, recalling; several turns in one row."""

from random import Random

from corpus import words
from corpus.arithmetic import dense, problem
from corpus.calls import opening
from corpus.needs import weather_tool
from corpus.row import Message, Row, calls, result, says, user
from corpus.tools import Tool, arguments, coined_tool, compact, date_tool
from corpus.unknown import question

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文辉玲建华云小红春梅海波宁宇欣怡子涵"
COMMON = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法"
    "所民得经三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四"
    "日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想"
)
PLACES = ("北京", "上海", "广州", "深圳", "成都", "杭州", "西安", "南京", "武汉", "青岛", "大连", "昆明")


def person(rng: Random) -> str:
    return rng.choice(SURNAMES) + "".join(rng.choice(GIVEN) for _ in range(rng.randint(1, 2)))


def character(rng: Random) -> str:
    """Now and then any of twenty thousand: their bytes have to be copied too."""
    return rng.choice(COMMON) if rng.random() < 0.75 else chr(rng.randint(0x4E00, 0x9FA5))


def place(rng: Random) -> str:
    return rng.choice(PLACES) if rng.random() < 0.5 else "".join(character(rng) for _ in range(rng.choice((2, 2, 3))))


def text(rng: Random, low: int = 2, high: int = 9) -> str:
    return "".join(character(rng) for _ in range(rng.randint(low, high)))


def _order(rng: Random, index: int, tools: dict[str, Tool]) -> list[Message]:
    tool = coined_tool(rng, most=2)
    name, args = tool["function"]["name"], arguments(rng, tool)
    if name in tools:
        return []
    for key, value in args.items():
        if (
            isinstance(value, str)
            and rng.random() < 0.5
            and "enum" not in tool["function"]["parameters"]["properties"][key]
        ):
            args[key] = text(rng)
    tools[name] = tool
    found = text(rng) if rng.random() < 0.6 else words.sentence(rng)
    ask = rng.choice(
        (
            f"调用工具 {name}，参数：{compact(args)}",
            f"请使用 {name}，参数是 {compact(args)}。",
            f"调用 `{name}`，JSON 参数：{compact(args)}",
        )
    )
    made = [user(ask), calls(f"用户要我调用 `{name}`。", index, (name, compact(args)))]
    return [*made, result(name, index, found), says("我有结果了，可以回答。", f"工具 `{name}` 返回：\n{found}")]


def _weather(rng: Random, index: int, tools: dict[str, Tool]) -> list[Message]:
    tools["get_weather"] = tools.get("get_weather") or weather_tool(rng)
    city = place(rng)
    found = f"{rng.choice(('晴', '雨', '多云', '雪', '大风'))}，{rng.randint(-9, 39)}度"
    ask = rng.choice((f"{city}今天天气怎么样？", f"{city}下雨了吗？", f"请告诉我{city}的天气。"))
    made = [user(ask), calls("要知道天气，我调用 get_weather。", index, ("get_weather", compact({"city": city})))]
    return [*made, result("get_weather", index, found), says("我有结果了，可以回答。", f"{city}的天气：{found}。")]


def _now(rng: Random, index: int, tools: dict[str, Tool]) -> list[Message]:
    tools["date"] = tools.get("date") or date_tool(rng)
    found = f"{words.day(rng)} {words.clock(rng)}"
    ask = rng.choice(("今天几号？", "现在几点？", "今天是什么日期？", "请告诉我现在的时间。"))
    made = [user(ask), calls("我不知道时间，我调用 date。", index, ("date", compact({"operation": "time"})))]
    return [*made, result("date", index, found), says("我有结果了，可以回答。", f"现在是 {found}。")]


def _echo(rng: Random) -> list[Message]:
    wanted = text(rng, 2, 14)
    ask = rng.choice((f"请重复：{wanted}", f"重复这句话：{wanted}", f"请说“{wanted}”", f"跟我说：{wanted}"))
    return [user(ask), says("我重复这段文字。", wanted)]


def _sum(rng: Random) -> list[Message]:
    shown, work, answer = problem(rng)
    return [user(rng.choice((f"{shown}等于多少？", f"计算 {shown}。", f"请算一下 {shown}"))), says(work, answer)]


def facts(rng: Random) -> tuple[list[Message], list[Message]]:
    """(what is told, what is asked later)"""
    stated, asked, answer = rng.choice(
        (
            lambda: (f"我叫{(p := person(rng))}。", "我叫什么名字？", f"你叫{p}。"),
            lambda: (f"我住在{(p := place(rng))}。", "我住在哪里？", f"你住在{p}。"),
            lambda: (f"密码是{(p := words.coined(rng))}。", "密码是什么？", f"密码是{p}。"),
            lambda: (f"我有{(p := rng.randint(2, 999))}本书。", "我有多少本书？", f"你有{p}本书。"),
            lambda: (f"我最喜欢的词是{(p := text(rng, 2, 3))}。", "我最喜欢的词是什么？", f"你最喜欢的词是{p}。"),
        )
    )()
    told = [user(stated), says("用户告诉我一件事，我记住它。", "我记住了。")]
    return told, [user(asked), says(f"用户说过：“{stated}”", answer)]


def chinese(rng: Random) -> Row:
    messages, tools, index = opening(rng), dict[str, Tool](), 0
    later: list[Message] = []
    if rng.random() < 0.5:
        told, later = facts(rng)
        messages += told
    for _ in range(rng.choice((0, 1, 2, 3, 4)) if later else rng.randint(1, 4)):
        kind = rng.choice((_order, _order, _weather, _now, _echo, _echo, _sum, None))
        if kind in (_order, _weather, _now):
            made = kind(rng, index, tools)
            index += bool(made)
        else:
            made = kind(rng) if kind else list(question(rng))
            if not kind:
                made = [user(made[0]), made[1]]
        messages += made
    messages += later
    if messages[-1]["role"] != "assistant":
        messages += _echo(rng)
    row = dense(rng, messages, (messages[-1]["content"],))
    row.tools = list(tools.values())
    return row
