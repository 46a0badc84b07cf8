"""Configuration from files and the environment: one precedence, every problem at once, no secret shown."""

from __future__ import annotations

import pickle
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import Fallback, Guards, Policy, Resilience
from anyint_resilience.configuring import SETTINGS, load, problems_in
from anyint_resilience.configuring.settings import FALLBACK

FULL = """
base_url = "https://gw.example"
hosts = ["https://other.example"]
store_wait = 0.2
seedance = true

[policy]
preset = "interactive"
attempts = 4
hold = "none"

[guards]
max_concurrency = 8

[[fallbacks]]
workload = "chat"
route = "/openai/v1/chat/completions"
model = "gpt-5"
to = "gpt-5-mini"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder outside of any project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str, name: str = "anyint-resilience.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_sets_what_code_would(folder: Path) -> None:
    """Each table becomes the object of its name, a preset with the named fields over it."""
    anyint = Resilience.from_toml(written(folder, FULL), environ={})
    assert anyint.policy == Policy(attempts=4, retry_window=45.0, max_delay=2.0, hold=None, first_byte_timeout=30.0)
    assert anyint.guards == Guards(max_concurrency=8)
    assert list(anyint.fallbacks) == [
        Fallback(workload="chat", route="/openai/v1/chat/completions", model="gpt-5", to="gpt-5-mini")
    ]
    assert (anyint.url, list(anyint.hosts)) == ("https://gw.example", ["https://other.example"])
    assert (anyint.store_wait, anyint.seedance, anyint.api_key) == (0.2, True, None)


ENV = {
    "ANYINT_API_KEY": "sk-env",
    "ANYINT_BASE_URL": "https://env.example",
    "ANYINT_RESILIENCE_POLICY_ATTEMPTS": "7",
    "ANYINT_RESILIENCE_HOSTS": "https://a.example, https://b.example",
    "ANYINT_RESILIENCE_GUARDS_BREAKER": "off",
}


def test_code_wins_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    """One order, for every setting: keyword, variable, file, default."""
    path = written(folder, FULL)
    anyint = Resilience.from_toml(path, environ=ENV, base_url="https://code.example")
    assert (anyint.api_key, anyint.base_url) == ("sk-env", "https://code.example")
    assert (anyint.policy.attempts, anyint.policy.retry_window) == (7, 45.0)
    assert list(anyint.hosts) == ["https://a.example", "https://b.example"]
    assert anyint.guards == Guards(max_concurrency=8, breaker=False)
    assert Resilience.from_toml(path, environ=ENV, policy=Policy(attempts=1)).policy == Policy(attempts=1)


def test_from_env_reads_the_variables_and_the_file_they_name(folder: Path) -> None:
    """The one call of most programs knows all but a file that nobody named."""
    path = written(folder, FULL)
    assert Resilience.from_env(ENV).policy == Policy(attempts=7)
    named = Resilience.from_env({**ENV, "ANYINT_RESILIENCE_CONFIG": str(path)})
    assert (named.policy.attempts, named.policy.retry_window, named.base_url) == (7, 45.0, "https://env.example")
    assert Resilience.from_env({}).policy == Policy()


@pytest.mark.parametrize(
    ("files", "start", "wanted"),
    [
        ({"anyint-resilience.toml": "store_wait = 1"}, ".", 1),
        ({"anyint-resilience.toml": "store_wait = 1", "a/pyproject.toml": "", "b/x": ""}, "a", None),
        ({"pyproject.toml": "[tool.anyint-resilience]\nstore_wait = 2", "a/b/x": ""}, "a/b", 2),
        ({"pyproject.toml": "[tool.other]", "anyint-resilience.toml": "store_wait = 3", "a/x": ""}, "a", 3),
        (
            {"pyproject.toml": "[tool.anyint-resilience]\nstore_wait = 2", "anyint-resilience.toml": "store_wait = 3"},
            ".",
            3,
        ),
        ({"anyint-resilience.toml": "store_wait = 1", "a/x": ""}, "a", None),
    ],
)
def test_the_nearest_file_within_the_project_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], start: str, wanted: float | None
) -> None:
    """Up to the folder with a pyproject.toml; outside of a project no folder above is looked into."""
    for name, text in files.items():
        written(folder, text, name)
    monkeypatch.chdir(folder / start)
    if wanted is None:
        with pytest.raises(ValueError, match="no configuration: neither ANYINT_RESILIENCE_CONFIG names one"):
            Resilience.from_toml(environ={})
    else:
        assert Resilience.from_toml(environ={}).store_wait == wanted


def test_secrets_come_from_variables_that_the_file_names(folder: Path) -> None:
    """Key, store and a fallback's key stand in the environment; the file holds their names."""
    more = 'api_key_env = "SHOP_KEY"\nstore_env = "SHOP_STORE"\n' + FULL + 'api_key_env = "SPARE_KEY"\n'
    env = {"ANYINT_API_KEY": "sk-other", "SHOP_KEY": "sk-shop", "SHOP_STORE": f"sqlite:///{folder}/a.db"}
    path = written(folder, more)
    anyint = Resilience.from_toml(path, environ={**env, "SPARE_KEY": "sk-spare"})
    assert anyint.api_key == "sk-shop"
    assert [it.api_key for it in anyint.fallbacks] == ["sk-spare"]
    assert (folder / "a.db").exists()
    assert anyint.store is not None
    assert not isinstance(anyint.store, str)
    anyint.store.close()
    with pytest.raises(ValueError, match="api_key_env names SPARE_KEY, which is not set"):
        Resilience.from_toml(path, environ=env)


def test_a_nearer_layer_says_where_the_store_is(folder: Path) -> None:
    """A variable for the store stands above the file's name of one, and the other way round."""
    by_name = written(folder, 'store_env = "PLACE"')
    url = f"sqlite:///{folder}/b.db"
    env = {"PLACE": "sqlite:///never.db", "ANYINT_RESILIENCE_STORE": url}
    assert load(by_name, environ=env).arguments["store"] == url
    by_url = written(folder, f'store = "{url}"')
    assert load(by_url, environ={"PLACE": "x://", "ANYINT_RESILIENCE_STORE_ENV": "PLACE"}).arguments["store"] == "x://"


PLANTED = [
    ("stroe = 1", "stroe is no setting: did you mean store?"),
    ("attempts = 3", "attempts is no setting here: it stands in [policy]"),
    ("[policy]\natempts = 3", "[policy] atempts is no setting: did you mean attempts?"),
    ("[policy]\nmax-delay = 3", "[policy] max-delay is no setting: did you mean max_delay?"),
    ("[policy]\nseedance = true", "[policy] seedance is no setting here: it stands at the top"),
    ("[policy]\nattempts = 0", "policy.attempts must be a whole number from 1"),
    ("[policy]\nattempts = true", "policy.attempts must be a whole number from 1"),
    ('[policy]\ndeadline = "soon"', "policy.deadline must be a number above 0"),
    ('[policy]\npreset = "quick"', "policy.preset must be one of default, interactive, batch, strict"),
    ("[policy]\npreset = [1]", "policy.preset must be one of"),
    ("policy = 3", "policy must be a table, [policy], not 3"),
    ("[guards]\nfailure_rate = 2.0", "guards.failure_rate must be 1 at the most"),
    ("[fallbacks]\nworkload = 1", "fallbacks must be tables, [[fallbacks]]"),
    ('[[fallbacks]]\nworkload = "a"', "fallbacks[1] needs route and model"),
    ('[[fallbacks]]\nworklaod = "a"', "fallbacks[1] worklaod is no setting: did you mean workload?"),
    ('[[fallbacks]]\nworkload = "a"\nroute = "/x"\nmodel = "m"', "fallbacks[1] to or base_url must say where"),
    (
        '[[fallbacks]]\nworkload = "a"\nroute = "/x"\nmodel = "m"\nto = "n"',
        "fallback 'a': /x is no route that a model serves",
    ),
    ('base_url = "http://gw.example"', "base_url must be https"),
    ("hosts = 5", "hosts must be a list of URLs"),
    ('hosts = "https://a.example"', "hosts must be a list of URLs"),
    ('spans = ["auto"]', "spans must be one of"),
    ("dedupe = {}", "dedupe must be 'fingerprint' or None"),
    ('store = "valkey://h/0"', "store must be"),
    ("store = 5", "store must be"),
    ("store_wait = nan", "store_wait must be a number of seconds from 0.001"),
    ('store = "sqlite:///a.db"\nstore_env = "B"', "store_env can't stand beside store"),
    ("api_key_env = 7", "api_key_env must be the name of a variable"),
    ("listeners = []", "listeners: it can only be given in code"),
    ("[tool.anyint-resilience]\nstore_wait = 1", "[tool.anyint-resilience] is for a pyproject.toml"),
    ("store_wait = ", "is no TOML"),
    ("a = " + "[" * 5000, "is no TOML"),
]


@pytest.mark.parametrize(("text", "wanted"), PLANTED, ids=[text[:40] for text, _ in PLANTED])
def test_a_problem_is_named_with_its_file(folder: Path, text: str, wanted: str) -> None:
    """Each says which setting, what it may be or the nearest name, and where it stands."""
    problems = load(written(folder, text), environ={}).problems
    assert any(wanted in it for it in problems), problems
    assert all("anyint-resilience.toml" in it for it in problems)


def test_all_problems_come_at_once(folder: Path) -> None:
    """Those of file and environment, of names and of values, in one error."""
    text = "stroe = 1\n[policy]\natempts = 2\nretry_window = -1\n[guards]\nfailures = 0\n"
    env = {"ANYINT_RESILIENCE_GUARDS_PROBES": "two", "ANYINT_RESILIENCE_POLICY_ATEMPTS": "2"}
    with pytest.raises(ValueError, match="invalid Resilience configuration") as caught:
        Resilience.from_toml(written(folder, text), environ=env, seedance="yes")
    for wanted in ("stroe", "atempts", "policy.retry_window", "guards.failures", "guards.probes", "seedance must"):
        assert wanted in str(caught.value)
    assert "guards.probes must be a whole number, not 'two' (ANYINT_RESILIENCE_GUARDS_PROBES)" in str(caught.value)
    assert "did you mean ANYINT_RESILIENCE_POLICY_ATTEMPTS?" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ANYINT_RESILIENCE_API_KEY", "the key is ANYINT_API_KEY's"),
        ("ANYINT_RESILIENCE_BASE_URL", "did you mean ANYINT_BASE_URL?"),
        ("ANYINT_RESILIENCE_LISTENERS", "it can only be given in code"),
        ("ANYINT_RESILIENCE_FALLBACKS", "fallbacks stand in a file"),
    ],
)
def test_a_variable_that_is_no_setting_is_named(name: str, wanted: str) -> None:
    """A misspelt variable is not passed over."""
    with pytest.raises(ValueError, match=f"{name} is no setting") as caught:
        Resilience.from_env({name: "x"})
    assert wanted in str(caught.value)


TEXTS = [
    ("policy.attempts", "5", 5),
    ("policy.deadline", "none", None),
    ("policy.deadline", " 2.5 ", 2.5),
    ("policy.retry_window", "inf", float("inf")),
    ("policy.repeat_generation", "No", False),
    ("policy.enabled", "1", True),
    ("guards.breaker", "none", None),
    ("guards.max_concurrency", "8", 8),
    ("dedupe", "fingerprint", "fingerprint"),
    ("hosts", "", None),
]


@pytest.mark.parametrize(("name", "text", "wanted"), TEXTS)
def test_a_variable_is_read_as_its_setting_s_kind(name: str, text: str, wanted: object) -> None:
    """An empty one is none at all, as some systems can't unset what they inherit."""
    variable = SETTINGS[name].variable
    assert variable is not None
    found = load(environ={variable: text})
    assert (found.problems, found.given) == ([], {} if text == "" else {name: wanted})


@pytest.mark.parametrize("text", ["x", "nan", "1e", "9" * 5000, "true"])
def test_a_text_that_is_no_number_is_said_shortly(text: str) -> None:
    """Nor is a number of a million digits worked out or shown."""
    (problem,) = load(environ={"ANYINT_RESILIENCE_POLICY_ATTEMPTS": text}).problems
    assert problem.startswith("policy.attempts must be a whole number, not ")
    assert len(problem) < 200


SECRETS = [
    ('api_key = "sk-hush"', {}),
    ('store = "redis://me:sk-hush@h/0"', {}),
    ('store = "redis://h/0?password=sk-hush"', {}),
    ('api_key_env = "sk-hush"', {}),
    ('store_env = "redis://:sk-hush@h"', {}),
    ('base_url = "https://u:sk-hush@gw.example"', {}),
    ("", {"ANYINT_API_KEY": "sk-hush with blanks"}),
    ("", {"ANYINT_RESILIENCE_STORE": "valkey://:sk-hush@h"}),
    ('store_env = "PLACE"', {"PLACE": "valkey://:sk-hush@h"}),
    ('[[fallbacks]]\nworkload="a"\nroute="/x"\nmodel="m"\napi_key="sk-hush"', {}),
]


@pytest.mark.parametrize(("text", "env"), SECRETS, ids=[text or str(env) for text, env in SECRETS])
def test_a_problem_shows_no_secret(folder: Path, text: str, env: dict[str, str]) -> None:
    """A key or a password in the wrong place is named by its place."""
    found = load(written(folder, text), environ=env)
    assert found.problems
    assert "sk-hush" not in " ".join(found.problems)
    assert "sk-hush" not in repr(found)


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda path: None, "can't be read: No such file"),
        (lambda path: path.mkdir(), "can't be read: Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "it is not UTF-8"),
        (lambda path: path.write_bytes(b"#" * 1_100_000), "larger than 1 MiB"),
    ],
)
def test_a_file_that_can_t_be_read_is_a_problem(folder: Path, make: Any, wanted: str) -> None:
    """One line that says why; no traceback of a parser."""
    path = folder / "anyint-resilience.toml"
    make(path)
    with pytest.raises(ValueError, match=wanted):
        Resilience.from_toml(path, environ={})
    assert load("\0", environ={}).problems


def test_a_project_s_file_needs_our_table(folder: Path) -> None:
    """A pyproject.toml that is named and says nothing of us is a mistake."""
    path = written(folder, "[tool.ruff]", "pyproject.toml")
    assert "has no table [tool.anyint-resilience]" in load(path, environ={}).problems[0]
    broken = written(folder, "[tool.anyint-resilience]\nstore_wait = ", "pyproject.toml")
    assert broken.exists()
    assert "is no TOML" in load(environ={}, search=True).problems[0]


@pytest.mark.parametrize(
    "text",
    [
        '[tool."anyint-resilience"]\nstore_wait = 2',
        "[ tool . anyint-resilience ]\nstore_wait = 2",
        "[tool]\nanyint-resilience = {store_wait = 2}",
        "[tool.anyint-resilience.policy]\nattempts = 2\n[tool.anyint-resilience]\nstore_wait = 2",
    ],
)
def test_however_a_project_s_table_is_written_it_is_found(folder: Path, text: str) -> None:
    """TOML has many ways to say the same."""
    written(folder, text, "pyproject.toml")
    assert load(environ={}, search=True).given["store_wait"] == 2


@pytest.mark.parametrize("name", ["anyint_resilience", "Anyint-Resilience"])
def test_a_misspelt_table_of_a_project_is_not_passed_over(folder: Path, name: str) -> None:
    """It was meant to be ours."""
    written(folder, f"[tool.{name}]\nstore_wait = 1", "pyproject.toml")
    (problem,) = load(environ={}, search=True).problems
    assert problem.endswith(f"has no table [tool.anyint-resilience], but [tool.{name}]")


def test_a_text_alone_can_be_checked() -> None:
    """For documents: variables it names are taken for set, and its problems name no file."""
    assert problems_in(FULL + 'api_key_env = "SPARE"') == []
    assert problems_in('[tool.anyint-resilience]\nstore_env = "URL"') == []
    assert problems_in("stroe = 1") == ["stroe is no setting: did you mean store?"]


def test_each_field_of_the_classes_is_a_setting() -> None:
    """A field that is added can be set in a file, without another table to keep."""
    for cls, table in ((Policy, "policy."), (Guards, "guards.")):
        assert {table + name for name in cls.__dataclass_fields__} <= set(SETTINGS)
    assert set(Fallback.__dataclass_fields__) - {"api_key"} <= set(FALLBACK)
    variables = [it.variable for it in SETTINGS.values()]
    assert len(set(variables)) == len(variables)


# --- what a hostile file or environment may hold


@pytest.mark.parametrize("env", [{}, {"ANYINT_RESILIENCE_SEEDANCE": "1"}])
def test_what_can_be_gone_through_once_is_kept(env: dict[str, str]) -> None:
    """Whether or not a variable is set, or a file is read."""
    row = Fallback(workload="chat", route="/openai/v1/chat/completions", model="a", to="b")
    heard: list[Any] = []
    anyint = Resilience.from_env(
        env, fallbacks=iter([row]), hosts=(it for it in ["https://a.example"]), listeners=iter([heard.append])
    )
    assert (list(anyint.fallbacks), list(anyint.hosts), list(anyint.listeners)) == (
        [row],
        ["https://a.example"],
        [heard.append],
    )


@pytest.mark.parametrize("more", [{}, {"ANYINT_RESILIENCE_SEEDANCE": "0"}])
@pytest.mark.parametrize(("text", "url"), [("none", None), (" https://x.example ", "https://x.example"), ("", None)])
def test_there_is_one_reading_of_the_environment(text: str, url: str | None, more: dict[str, str]) -> None:
    """Whatever else is set."""
    assert Resilience.from_env({"ANYINT_BASE_URL": text, **more}).base_url == url


HUGE = "0x" + "f" * 5000


@pytest.mark.parametrize(
    "name", ["unknown_window", "store_wait", "seedance", "dedupe", "spans", "policy", "fallbacks", "hosts", "store"]
)
@pytest.mark.parametrize("value", [HUGE, '"' + "x" * 200_000 + '"', "[" * 90 + "]" * 90, "2024-01-01"])
def test_a_monstrous_value_is_a_short_problem(folder: Path, name: str, value: str) -> None:
    """An integer that can't be printed, a text without end, a list too deep to be shown."""
    problems = load(written(folder, f"{name} = {value}"), environ={}).problems
    assert problems
    assert all(len(it) < 500 for it in problems)


def test_deep_tables_are_a_problem(folder: Path) -> None:
    """Python itself can't show them."""
    assert load(written(folder, "dedupe." + ".".join(["a"] * 3000) + " = 1"), environ={}).problems


def test_a_keyword_stands_for_the_whole_table(folder: Path) -> None:
    """The file's fallbacks are not looked at, nor the variables they name."""
    path = written(folder, FULL + 'api_key_env = "NOT_SET"\n')
    assert list(Resilience.from_toml(path, environ={}, fallbacks=()).fallbacks) == []


def test_a_value_with_a_semicolon_is_one_problem(folder: Path) -> None:
    """It is not torn in two."""
    problems = load(written(folder, '[policy]\nattempts = "a; b: c"'), environ={}).problems
    assert len(problems) == 1


@pytest.mark.parametrize("name", ["abcdef0123456789abcdef0123456789", "ABCDEF0123456789ABCDEF", "sk_live_abc", "none "])
def test_what_looks_like_a_key_is_not_shown_as_a_name(folder: Path, name: str) -> None:
    """It was pasted where its variable's name should stand."""
    (problem,) = load(written(folder, f'api_key_env = "{name}"'), environ={}).problems
    assert "must be the name of a variable" in problem
    assert name not in problem


def test_none_empties_a_list_and_leaves_a_place(folder: Path) -> None:
    """A nearer layer can take hosts away; saying nothing of a store's variable takes no store away."""
    path = written(folder, 'hosts = ["https://a.example"]\nstore = "sqlite:///a.db"\napi_key_env = "none"')
    env = {"ANYINT_RESILIENCE_HOSTS": "none", "ANYINT_RESILIENCE_STORE_ENV": "none", "ANYINT_API_KEY": "sk-env"}
    found = load(path, environ=env)
    assert found.problems == []
    assert (found.arguments["hosts"], found.arguments["store"]) == ((), "sqlite:///a.db")
    assert found.arguments["api_key"] == "sk-env"


@pytest.mark.parametrize(
    "name", ["ANYINT_RESILIENCE_A\nB", "ANYINT_RESILIENCE_\udcff", "ANYINT_RESILIENCE_" + "X" * 9999]
)
def test_the_name_of_an_unknown_variable_is_fit_to_print(name: str) -> None:
    """In one line, not too long."""
    (problem,) = load(environ={name: "x"}).problems
    assert problem.isprintable()
    assert len(problem) < 300


def test_the_error_of_settings_can_be_pickled() -> None:
    """A worker process hands it over."""
    with pytest.raises(ValueError, match="attempts") as caught:
        Policy(attempts=0, factor=0)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


WORDS = st.sampled_from([*SETTINGS, *FALLBACK, "policy", "guards", "fallbacks", "api_key", "tool"]) | st.text(
    string.ascii_letters, max_size=6
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(document=st.dictionaries(WORDS.map(lambda it: it.rpartition(".")[2]), VALUES, max_size=6))
def test_no_document_crashes_the_loader(document: dict[str, Any]) -> None:
    """Whatever a file holds is used or named."""
    from anyint_resilience.configuring import loading

    found = loading.Loaded()
    loading._take_file(found, document, "it")
    loading.arguments(found, {}, {})
    assert all(isinstance(it, str) and it.isprintable() and len(it) < 2000 for it in found.problems)


@given(text=st.text(max_size=40), name=st.sampled_from([it.variable for it in SETTINGS.values()]))
def test_no_variable_crashes_the_loader(text: str, name: str) -> None:
    """Whatever the environment holds is used or named."""
    assert isinstance(load(environ={name: text}).problems, list)
