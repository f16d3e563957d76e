"""Settings: what is read, what overrides it, and the sentence that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from conf.mistakes import BadSettings
from conf.secrets import generate
from conf.sections import GatewaySettings
from conf.settings import Settings, load
from conf.values import describe, fields_of, from_text

SHIPPED = Path(__file__).resolve().parents[2] / "conf"
STANDALONE = """\
mode = "standalone"
var = "{var}"
[bus]
kind = "memory"
[router]
kind = "memory"
[store]
kind = "sqlite"
path = "db"
"""


@pytest.fixture
def var(tmp_path: Path) -> Path:
    var = tmp_path / "var"
    generate(var)
    return var


def written(var: Path, more: str = "", base: str = STANDALONE) -> Path:
    path = var / "settings.toml"
    path.write_text(base.format(var=var) + more)
    return path


def loaded(var: Path, more: str = "", **environment: str) -> Settings:
    return load(written(var, more), environment)


def refusal(var: Path, more: str = "", **environment: str) -> str:
    with pytest.raises(BadSettings) as refused:
        loaded(var, more, **environment)
    return str(refused.value)


def test_what_is_not_said_has_its_default(var: Path) -> None:
    settings = loaded(var, "[gateway]\nport = 7000\n")
    assert settings.gateway == msgspec.structs.replace(GatewaySettings(), port=7000)
    assert (settings.mode, settings.var, settings.partitions) == ("standalone", var, 8)


@pytest.mark.parametrize("name", ["standalone.toml", "cluster.toml"])
def test_what_is_shipped_can_be_used(var: Path, name: str) -> None:
    settings = load(SHIPPED / name, {"HONGYAN_VAR": str(var)})
    assert settings.mode == name.partition(".")[0]
    assert settings.gateway.host == "127.0.0.1"


def test_the_environment_overrides_the_file(var: Path) -> None:
    settings = loaded(
        var,
        "[gateway]\nport = 7000\n",
        HONGYAN_GATEWAY__PORT="7001",
        HONGYAN_GATEWAY__LOGIN_TIMEOUT_S="1",
        HONGYAN_GATEWAY__ORIGINS="https://a.example.com, https://b.example.com,",
        HONGYAN_PARTITIONS="4",
        HONGYAN_CONFIG="ignored.toml",
        PATH="/usr/bin",
    )
    assert (settings.gateway.port, settings.gateway.login_timeout_s, settings.partitions) == (7001, 1.0, 4)
    assert settings.gateway.origins == ("https://a.example.com", "https://b.example.com")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "[gateway]\nprot = 1\n",
            "[gateway] has no setting 'prot'. Did you mean port? It has connections_per,",
        ),
        (
            "[gatway]\nport = 1\n",
            "there is no setting or section 'gatway'. Did you mean gateway? There are mode, var,",
        ),
        ("[gateway]\nport = '9001x'\n", "gateway.port must be a port, 1 to 65535, not '9001x'."),
        ("[gateway]\nport = true\n", "gateway.port must be a port, 1 to 65535, not True."),
        ("[gateway]\nport = 0\n", "gateway.port must be a port, 1 to 65535, not 0."),
        ("[gateway]\nport = 99999\n", "gateway.port must be a port, 1 to 65535, not 99999."),
        ("[gateway]\nport = 1.5\n", "gateway.port must be a port, 1 to 65535, not 1.5."),
        ("[gateway]\nlogin_timeout_s = nan\n", "gateway.login_timeout_s must be a number of seconds, above 0 and"),
        ("[gateway]\nlogin_timeout_s = inf\n", "gateway.login_timeout_s must be a number of seconds, above 0 and"),
        ("[gateway]\nlogin_timeout_s = 0\n", "gateway.login_timeout_s must be a number of seconds, above 0 and"),
        ("[gateway]\ndrain_s = -1\n", "gateway.drain_s must be a number of seconds, 0 to 86400, not -1."),
        ("[gateway]\nheartbeat_s = 0.5\n", "gateway.heartbeat_s must be a whole number of seconds, 1 to"),
        (
            "[gateway]\nhost = 7\n",
            'gateway.host must be a host name or an address in quotes, such as "127.0.0.1", not 7.',
        ),
        ("[gateway]\nhost = ''\n", "gateway.host must be a host name or an address in quotes"),
        ("[gateway]\norigins = ['x']\n[gateway.more]\n", "gateway.origins must be a list of origins of pages, such as"),
        ("[gateway]\norigins = []\n[gateway.more]\n", "[gateway] has no setting 'more'"),
        ("[gateway]\norigins = [1]\n", 'such as ["https://chat.example.com"], not [1].'),
        (
            "[gateway]\norigins = 'https://a.example.com'\n",
            "gateway.origins must be a list of origins of pages, such as",
        ),
        ("[gateway]\ntrusted_proxies = ['localhost']\n", "gateway.trusted_proxies must be a list of IP addresses"),
        (
            "[gateway]\nconnections_per = 'room'\n",
            "gateway.connections_per must be one of device, terminal, unlimited, user, not 'room'.",
        ),
        ("[logic]\nthreads = -1\n", "logic.threads must be a whole number, 1 to 1000000000, not -1."),
        ("[cluster]\nworkers = 91\n", "cluster.workers must be a whole number, 1 to 90, not 91."),
        ("[nginx]\nunlimited = ['10.0.0.0/8; }']\n", "nginx.unlimited must be a list of IP addresses or networks"),
        ("[token]\nsecret = 7\n", "token.secret must be text in quotes, at least 32 random characters, not what was"),
    ],
)
def test_a_mistake_is_named(var: Path, more: str, said: str) -> None:
    assert said in refusal(var, more)


@pytest.mark.parametrize("prefix", ["hongyan", "A", "team-1.chat_2", "x" * 32])
def test_a_prefix_is_a_short_word(var: Path, prefix: str) -> None:
    assert loaded(var, HONGYAN_ROUTER__PREFIX=prefix).router.prefix == prefix


@pytest.mark.parametrize("prefix", ["", "a:b", "x" * 33, "hong yan", "鸿雁", "a\n", "a*", "a{b}"])
def test_what_is_no_prefix_is_named(var: Path, prefix: str) -> None:
    said = refusal(var, HONGYAN_ROUTER__PREFIX=prefix)
    wanted = "router.prefix (HONGYAN_ROUTER__PREFIX) must be a word in quotes, 1 to 32 of A-Z a-z 0-9 _ . -"
    assert said == f"{wanted}, not {prefix!r}."


def test_a_mistake_in_the_environment_is_named(var: Path) -> None:
    said = "gateway.port (HONGYAN_GATEWAY__PORT) must be a port, 1 to 65535, not 'x'."
    assert refusal(var, HONGYAN_GATEWAY__PORT="x") == said
    assert refusal(var, HONGYAN_PARTITIONS="x").startswith("partitions (HONGYAN_PARTITIONS) must be a whole number")
    unknown = refusal(var, HONGYAN_GATEWAY__PROT="1")
    assert "[gateway] has no setting 'prot' (HONGYAN_GATEWAY__PROT). Did you mean HONGYAN_GATEWAY__PORT? It" in unknown
    assert "Did you mean HONGYAN_GATEWAY__TCP_PORT?" in refusal(var, HONGYAN_GATWAY__TCP_PORT="1")
    for variable in ("HONGYAN_GATWAY__PORT", "HONGYAN_PORT", "HONGYAN_GATEWAY__", "HONGYAN_MODE"):
        assert f"{variable} names no setting" in refusal(var, **{variable: "1"})


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://chat.example.com",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://servicewechat.com",
            "file://",
        ),
        *("weapp://wx0123456789abcdef", "capacitor://localhost", "chrome-extension://abcdefghijklmnop", "null"),
    ],
)
def test_an_origin_is_written_as_it_is_sent(var: Path, origin: str) -> None:
    assert loaded(var, HONGYAN_GATEWAY__ORIGINS=origin).gateway.origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    ["*", "https://", "https://a.example.com/", "https://a/b", 'https://a";', "https://a b", "$x", "a.example.com"],
)
def test_what_is_no_origin_is_named(var: Path, origin: str) -> None:
    assert "must be a list of origins of pages, such as" in refusal(var, HONGYAN_GATEWAY__ORIGINS=origin)


def test_zero_is_taken_where_it_means_something(var: Path) -> None:
    settings = loaded(
        var,
        "[gateway]\ndrain_s = 0\npoll_wait_s = 0\nmax_messages_over_rate = 0\n",
        HONGYAN_LOGIC__HASHING_WAITING="0",
        HONGYAN_LOGIC__RECALL_S="0",
    )
    gateway = settings.gateway
    assert (gateway.drain_s, gateway.poll_wait_s, gateway.max_messages_over_rate) == (0, 0, 0)
    assert (settings.logic.hashing_waiting, settings.logic.recall_s) == (0, 0)


def test_every_default_is_one_that_may_be_written(var: Path) -> None:
    written = msgspec.to_builtins(Settings(), enc_hook=str)
    assert msgspec.convert(written, Settings, dec_hook=from_text) == Settings()


def test_every_setting_says_what_to_write_for_it() -> None:
    for section in fields_of(Settings):
        fields = section.type.fields if isinstance(section.type, msgspec.inspect.StructType) else (section,)
        assert all(describe(field.type) for field in fields)


def test_a_file_that_cannot_be_used_is_named(var: Path, tmp_path: Path) -> None:
    for path, said in [(tmp_path / "no.toml", "cannot be read"), (written(var, "[gateway\n"), "is not TOML")]:
        with pytest.raises(BadSettings, match=said):
            load(path, {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match=r"binary\.toml"):
        load(binary, {})


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ('var = "{var}"\nbus = 7\n', "bus must be a section"),
        ('var = "{var}"\n[bus]\nkind = "pigeon"\n', "bus.kind must be one of memory, rabbitmq, not 'pigeon'"),
        ('mode = "cloud"\nvar = "{var}"\n', "mode must be one of cluster, standalone, not 'cloud'"),
        ("var = ''\n", "var must be the path of a directory"),
        ("var = 7\n", 'var must be the path of a directory in quotes, such as "var", .* not 7'),
    ],
)
def test_what_is_no_configuration(var: Path, base: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        load(written(var, base=base), {})


def test_without_secrets_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="generate"):
        load(written(tmp_path), {})


@pytest.mark.parametrize(
    "secret", ["short", "x" * 64, "change-me-please-change-me-please-now", "a-sample-secret-0123456789-abcdef-ghi"]
)
def test_a_weak_secret_is_refused(var: Path, secret: str) -> None:
    assert "'token' is short or a sample" in refusal(var, HONGYAN_TOKEN__SECRET=secret)


def test_secrets_are_taken_from_where_they_belong_and_never_shown(var: Path) -> None:
    path = written(var, base='var = "{var}"\n')
    settings = load(path, {"HONGYAN_BUS__PASSWORD": "k7Qp2mX9vB4nT6wZ1sD8fG3hJ5lR0yUe"})
    assert settings.bus.password == "k7Qp2mX9vB4nT6wZ1sD8fG3hJ5lR0yUe"
    held = {settings.token.secret, settings.router.password, settings.store.password, settings.bus.password}
    assert len(held) == 4
    assert not any(secret in repr(settings) for secret in held)


def test_nothing_is_kept_for_less_than_its_promise(var: Path) -> None:
    said = refusal(var, "[retention]\nanswers_s = 86400\n")
    assert "retention.answers_s" in said
    assert "2592000 (30 days)" in said
