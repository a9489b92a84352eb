"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import pytest

from tests.testing.installed import install_plugin

pytest_plugins = "pytester"

INI = """
    [pytest]
    filterwarnings = error
    asyncio_default_fixture_loop_scope = function
    addopts = -p no:schemathesis
"""
ASK = """
    import openai

    def ask():
        with openai.Client(max_retries=0) as client:
            messages = [{"role": "user", "content": "Hello."}]
            return client.chat.completions.create(model="kimi-k2.6", messages=messages).choices[0].message.content
"""


@pytest.fixture
def tester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of tests, where the plugin is installed and a warning is an error."""
    monkeypatch.setenv("PYTHONPATH", install_plugin(pytester.path))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    pytester.makeini(INI)
    pytester.makeconftest(ASK)
    return pytester


def test_no_test_knows_of_another(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import os
        from conftest import ask

        def test_first(moonbase_environment):
            moonbase_environment.reply("Hello.")
            moonbase_environment.reply("This one is for nobody.")
            assert ask() == "Hello."

        def test_second(moonbase_environment):
            assert ask() == "You said: Hello."
            assert len(moonbase_environment.requests) == 1

        def test_third():
            assert "OPENAI_BASE_URL" not in os.environ
    """)
    tester.runpytest_subprocess().assert_outcomes(passed=3)


def test_async_tests_use_the_same_fixtures(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import openai
        import pytest

        @pytest.mark.asyncio
        async def test_it(moonbase_environment):
            moonbase_environment.reply("Hello.")
            async with openai.AsyncClient() as client:
                messages = [{"role": "user", "content": "Hello."}]
                answer = await client.chat.completions.create(model="kimi-k2.6", messages=messages)
            assert answer.choices[0].message.content == "Hello."
    """)
    tester.runpytest_subprocess().assert_outcomes(passed=1)


def test_options_are_a_fixture(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import pytest

        @pytest.fixture
        def moonbase_options():
            return {"settings": {"server": {"api_keys": ["sk-a"]}}}

        def test_it(moonbase_server):
            assert moonbase_server.api_key == "sk-a"
    """)
    tester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_server_that_a_test_has_stopped_serves_the_next(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import openai
        import pytest
        from conftest import ask

        def test_without(moonbase_environment):
            moonbase_environment.stop()
            with pytest.raises(openai.APIConnectionError):
                ask()

        def test_with(moonbase_environment):
            assert ask()
    """)
    tester.runpytest_subprocess().assert_outcomes(passed=2)


def test_a_reply_that_fits_no_request_is_an_error_of_the_test(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import openai
        from conftest import ask

        def test_it(moonbase_environment):
            moonbase_environment.reply(calls=[("get_weather", {})])
            try:
                ask()
            except openai.APIError:
                pass
    """)
    done = tester.runpytest_subprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*ScriptError: reply 1 *it calls 'get_weather', which the request does not offer*"])


def test_a_test_that_fails_leaves_nothing_behind(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import openai

        def test_fails(moonbase_environment):
            client = openai.Client()
            messages = [{"role": "user", "content": "Hello."}]
            stream = client.chat.completions.create(model="kimi-k2.6", messages=messages, stream=True)
            next(stream)
            client.close()
            assert 0

        def test_after(moonbase_server):
            assert moonbase_server.requests == []
    """)
    tester.makeconftest("""
        import threading

        def pytest_unconfigure():
            print([thread.name for thread in threading.enumerate()])
    """)
    done = tester.runpytest_subprocess()
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(["['MainThread']"])


def test_nothing_is_loaded_until_a_test_asks_for_it(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import sys

        def test_before():
            assert "moonbase.testing.plugin" in sys.modules
            loaded = {name for name in sys.modules if name.partition(".")[0] in ("moonbase", "msgspec", "starlette")}
            assert loaded == {"moonbase", "moonbase.testing", "moonbase.testing.plugin"}

        def test_with_it(moonbase_server):
            assert "moonbase.testing.server" in sys.modules
    """)
    tester.runpytest_subprocess().assert_outcomes(passed=2)


def test_it_can_be_left_out(tester: pytest.Pytester) -> None:
    tester.makepyfile("""
        import sys

        def test_it():
            assert "moonbase" not in sys.modules
    """)
    tester.runpytest_subprocess("-p", "no:moonbase").assert_outcomes(passed=1)


def test_its_fixtures_tell_what_they_are(tester: pytest.Pytester) -> None:
    shown = tester.runpytest_subprocess("--fixtures").stdout.str()
    assert "moonbase_server" in shown and "that knows of nothing that happened before this test" in shown


@pytest.mark.slow
def test_workers_of_xdist_have_servers_of_their_own(tester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    tester.makepyfile("""
        import pytest
        from conftest import ask

        @pytest.mark.parametrize("number", range(4))
        def test_it(moonbase_environment, number):
            moonbase_environment.reply(str(number))
            assert ask() == str(number)
    """)
    tester.runpytest_subprocess("-n", "2").assert_outcomes(passed=4)
