"""Accounts, API keys, sessions and the lock-out on a real engine, with a clock that only moves when told."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Conflict, InvalidInput, NotFound
from store.accounts import Account, Accounts, Role
from store.api_keys import ApiKeys
from store.engine import Engine
from store.login_attempts import FREE_PER_ACCOUNT, FREE_PER_ADDRESS, WINDOW, LoginAttempts, account_opens
from store.sessions import IDLE, LONGEST, Sessions

PASSWORD = "correct horse battery"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Time:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 10, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def new_token() -> Callable[[], str]:
    numbers = iter(range(1, 10_000))
    return lambda: f"token-{next(numbers):037d}"


@pytest.fixture
def accounts(engine: Engine, clock: Time, new_token: Callable[[], str]) -> Accounts:
    return Accounts(engine, clock, new_token, CHEAP)


@pytest.fixture
def alice(accounts: Accounts) -> Account:
    return accounts.add("Alice", PASSWORD, [Role.ANALYST], by="admin")


def test_the_first_administrator_is_made_once_with_a_password_that_works(accounts: Accounts) -> None:
    password = accounts.bootstrap()

    assert password is not None
    assert len(password) >= 20
    admin = accounts.authenticate("admin", password)
    assert admin is not None
    assert admin.roles == {Role.ADMIN}
    assert accounts.bootstrap() is None
    assert len(accounts.all()) == 1


def test_names_are_the_same_in_any_case(accounts: Accounts, alice: Account) -> None:
    assert alice.name == "alice"
    assert accounts.authenticate(" ALICE ", PASSWORD) == alice
    with pytest.raises(Conflict):
        accounts.add("aLice", PASSWORD, [Role.ADMIN], by="admin")


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong horse battery"), ("alice", ""), ("mallory", PASSWORD)])
def test_a_wrong_name_or_password_gives_nobody(accounts: Accounts, alice: Account, name: str, password: str) -> None:
    assert accounts.authenticate(name, password) is None


def test_the_store_holds_no_password(engine: Engine, accounts: Accounts, alice: Account) -> None:
    (stored,) = engine.rows("SELECT password_hash FROM accounts")[0]

    assert str(stored).startswith("$argon2id$")
    assert PASSWORD not in str(stored)


@pytest.mark.parametrize("name", ["", "-x", "with space", "a" * 65, "Ünal", "a\nb"])
def test_unusable_names_are_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InvalidInput):
        accounts.add(name, PASSWORD, [Role.ADMIN], by="admin")


@pytest.mark.parametrize("password", ["", "fourteen chars", "x" * 1025])
def test_unusable_passwords_are_refused(accounts: Accounts, password: str) -> None:
    with pytest.raises(InvalidInput, match="15 to 1024"):
        accounts.add("alice", password, [Role.ADMIN], by="admin")


def test_a_disabled_account_cannot_sign_in_until_it_is_enabled(accounts: Accounts, alice: Account) -> None:
    accounts.disable("alice", by="admin")
    assert accounts.authenticate("alice", PASSWORD) is None
    assert accounts.get("alice").disabled

    accounts.enable("alice", by="admin")
    assert accounts.authenticate("alice", PASSWORD) is not None


def test_changes_are_new_rows_and_the_old_ones_stay(engine: Engine, accounts: Accounts, alice: Account) -> None:
    accounts.set_roles("alice", [Role.AUDITOR, Role.ANALYST], by="admin")
    accounts.set_password("alice", "another long password", by="alice")

    assert accounts.get("alice").roles == {Role.AUDITOR, Role.ANALYST}
    assert accounts.authenticate("alice", PASSWORD) is None
    assert accounts.authenticate("alice", "another long password") is not None
    assert engine.rows("SELECT version, changed_by FROM accounts ORDER BY version") == [(1, "admin"), (2, "admin"), (3, "alice")]


def test_an_outdated_hash_is_renewed_at_the_next_sign_in(
    engine: Engine, clock: Time, new_token: Callable[[], str], alice: Account
) -> None:
    stronger = Accounts(engine, clock, new_token, PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))

    assert stronger.authenticate("alice", PASSWORD) is not None

    assert "t=2" in str(engine.rows("SELECT password_hash FROM accounts ORDER BY version DESC LIMIT 1")[0][0])


def test_an_account_that_is_not_there_is_not_found(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        accounts.set_roles("nobody", [Role.ADMIN], by="admin")


def test_a_key_works_until_it_is_revoked(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    keys = ApiKeys(engine, clock, new_token)
    key, text = keys.create("ward feed", [Role.COLLECTOR], by="admin")

    found = keys.authenticate(text)
    assert found is not None
    assert (found.key_id, found.roles, found.label) == (key.key_id, {Role.COLLECTOR}, "ward feed")
    assert keys.all()[0].used == clock.now

    assert keys.remembered(text) == found
    keys.revoke(key.key_id, by="admin")
    assert keys.remembered(text) == found, "nobody has asked the store since"
    assert keys.authenticate(text) is None
    assert keys.remembered(text) is None
    assert [(known.revoked, known.changed_by) for known in keys.all()] == [(True, "admin")]


def test_a_key_with_another_secret_or_form_is_nobody(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    keys = ApiKeys(engine, clock, new_token)
    key, text = keys.create("ward feed", [Role.COLLECTOR], by="admin")

    assert keys.authenticate(text[:-1] + "x") is None
    assert keys.authenticate(f"pht_{key.key_id}_") is None
    assert keys.authenticate("") is None
    assert keys.authenticate("pht_000000000000_" + "a" * 43) is None


@pytest.mark.parametrize(("label", "roles"), [("", [Role.COLLECTOR]), ("x" * 129, [Role.COLLECTOR]), ("feed", [])])
def test_a_key_needs_a_label_and_a_role(
    engine: Engine, clock: Time, new_token: Callable[[], str], label: str, roles: list[Role]
) -> None:
    with pytest.raises(InvalidInput):
        ApiKeys(engine, clock, new_token).create(label, roles, by="admin")


def test_a_session_lives_while_it_is_used(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    sessions = Sessions(engine, clock, new_token)
    token = sessions.start("alice")

    for _ in range(5):
        clock.pass_by(IDLE - timedelta(seconds=1))
        session = sessions.resume(token)
        assert session is not None
        assert session.account == "alice"


def test_a_session_ends_when_idle(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    sessions = Sessions(engine, clock, new_token)
    token = sessions.start("alice")

    clock.pass_by(IDLE)

    assert sessions.resume(token) is None


def test_a_session_ends_after_its_longest_time_even_in_use(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    sessions = Sessions(engine, clock, new_token)
    token = sessions.start("alice")

    step = timedelta(minutes=20)
    lived = timedelta(0)
    while sessions.resume(token) is not None:
        clock.pass_by(step)
        lived += step

    assert lived == LONGEST


def test_signing_out_ends_one_session_and_end_all_ends_the_rest(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    sessions = Sessions(engine, clock, new_token)
    first, second, other = sessions.start("alice"), sessions.start("alice"), sessions.start("bob")

    sessions.end(first)
    assert sessions.resume(first) is None
    assert sessions.resume(second) is not None

    sessions.end_all("alice")
    assert sessions.resume(second) is None
    assert sessions.resume(other) is not None
    assert sessions.resume("made up") is None


def test_form_tokens_differ_between_sessions_and_hide_the_session(
    engine: Engine, clock: Time, new_token: Callable[[], str]
) -> None:
    sessions = Sessions(engine, clock, new_token)
    tokens = [sessions.start("alice"), sessions.start("alice")]

    forms = [session.csrf for token in tokens if (session := sessions.resume(token)) is not None]

    assert len(set(forms)) == 2
    assert not set(forms) & set(tokens)


def test_pruning_forgets_only_what_is_over(engine: Engine, clock: Time, new_token: Callable[[], str]) -> None:
    sessions, attempts = Sessions(engine, clock, new_token), LoginAttempts(engine, clock)
    sessions.start("alice")
    attempts.record("alice", "10.0.0.1", succeeded=False)
    clock.pass_by(2 * LONGEST + timedelta(seconds=1))
    living = sessions.start("alice")
    attempts.record("alice", "10.0.0.1", succeeded=False)

    sessions.prune()
    attempts.prune()

    assert sessions.resume(living) is not None
    assert engine.rows("SELECT count() FROM sessions") == [(1,)]
    assert engine.rows("SELECT count() FROM login_attempts") == [(1,)]


def test_failures_make_an_account_wait_longer_each_time(engine: Engine, clock: Time) -> None:
    attempts = LoginAttempts(engine, clock)
    waits = []

    for number in range(FREE_PER_ACCOUNT + 3):
        attempts.record("alice", f"10.0.0.{number}", succeeded=False)
        waits.append(max(timedelta(0), attempts.wait("Alice ", "10.9.9.9")).total_seconds())

    assert waits == [0, 0, 0, 0, 30, 60, 120, 240]
    assert attempts.wait("bob", "10.9.9.9") <= timedelta(0)


def test_a_success_forgives_and_the_window_forgets(engine: Engine, clock: Time) -> None:
    attempts = LoginAttempts(engine, clock)
    for _ in range(FREE_PER_ACCOUNT):
        attempts.record("alice", "10.0.0.1", succeeded=False)
        clock.pass_by(timedelta(seconds=1))
    assert attempts.wait("alice", "10.0.0.1") > timedelta(0)

    attempts.record("alice", "10.0.0.1", succeeded=True)
    assert attempts.wait("alice", "10.0.0.1") <= timedelta(0)

    for _ in range(FREE_PER_ACCOUNT + 9):
        attempts.record("alice", "10.0.0.1", succeeded=False)
    clock.pass_by(WINDOW + timedelta(seconds=1))
    assert attempts.wait("alice", "10.0.0.1") <= timedelta(0)


def test_an_address_that_sprays_many_names_is_stopped(engine: Engine, clock: Time) -> None:
    attempts = LoginAttempts(engine, clock)

    for number in range(FREE_PER_ADDRESS):
        attempts.record(f"user{number}", "203.0.113.9", succeeded=False)
        clock.pass_by(timedelta(seconds=1))

    assert attempts.wait("new", "203.0.113.9") > timedelta(minutes=14)
    assert attempts.wait("new", "203.0.113.8") <= timedelta(0)


@given(st.lists(st.booleans(), max_size=64))
def test_the_account_delay_never_exceeds_the_window(outcomes: list[bool]) -> None:
    newest = datetime(2026, 3, 10, tzinfo=UTC)

    opens = account_opens([(newest, int(outcome)) for outcome in outcomes])

    assert opens is None or newest < opens <= newest + WINDOW
