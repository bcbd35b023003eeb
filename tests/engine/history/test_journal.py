from __future__ import annotations

import fcntl
import multiprocessing
import os
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.artifacts import Artifacts, write_file
from lemonade_es.engine.history.events import DataSummary, IterationEnded, Refused, RunInterrupted, RunStarted, Seconds
from lemonade_es.engine.history.journal import DATABASE, Journal, new_run_id
from lemonade_es.engine.history.tape import Tape, TapeEnd
from lemonade_es.engine.spec import RunSpec
from lemonade_es.errors import StoreError
from lemonade_es.task import Task
from lemonade_es.trainer.recipe import Recipe

DATA = DataSummary(Task("image", "digits", (1, 8, 8), 10), 1, 1, 1, "", ())
BEGUN = RunStarted(RunSpec(), {}, Recipe(), "", "", "", DATA, "", "strong", "", "", {})


@pytest.fixture
def journal(tmp_path):
    opened = Journal.in_folder(tmp_path, create=True)
    yield opened
    opened.close()


def refused(iteration):
    return Refused(iteration, 1, "forward", "SHAPE_MISMATCH", "sizes differ", 7, "x = self.fc(x)")


def ended(iteration, *, cm=1.5):
    metrics = {"V_Acc": 0.9, "L": None}
    return IterationEnded(iteration, "ok", metrics, cm, True, Seconds(2.0, 1.0, 0.5, 0.1, 0.4))


def test_events_come_back_as_they_were_written_in_their_order(journal):
    events = [refused(1), ended(1), RunInterrupted(2)]
    for number, event in enumerate(events):
        journal.append("r", number, event)
    assert [entry.event for entry in journal.read("r")] == events
    assert [entry.seq for entry in journal.read("r")] == [0, 1, 2]


def test_events_are_on_disk_when_append_returns(journal, tmp_path):
    journal.append("r", 0, ended(1))
    with sqlite3.connect(tmp_path / DATABASE) as other:
        assert other.execute("select type from events").fetchall() == [("IterationEnded",)]
    other.close()


def test_two_processes_cannot_write_the_same_run(journal):
    journal.append("r", 0, ended(1))
    with pytest.raises(StoreError, match="another process is writing run r"):
        journal.append("r", 0, ended(2))


def test_the_latest_run_is_the_one_that_began_last_even_where_the_clock_was_set_back(journal, tmp_path):
    journal.append("2026-b2", 0, refused(1))
    journal.append("2026-a1", 0, refused(1))
    with closing(sqlite3.connect(tmp_path / DATABASE)) as other, other:
        other.execute("update events set at = '2027-01-01T00:00:00.000+00:00' where run_id = '2026-b2'")
    assert (journal.runs(), journal.find("latest")) == (("2026-b2", "2026-a1"), "2026-a1")


def test_a_run_is_found_by_its_beginning_or_as_the_latest(journal):
    for name in ("2026-a1", "2026-b2"):
        journal.append(name, 0, ended(1))
    assert journal.find("2026-b") == "2026-b2"
    assert journal.find("latest") == "2026-b2"


@pytest.mark.parametrize(("name", "words"), [("x", "there is no run 'x'"), ("2026", "2 runs begin with '2026'")])
def test_a_run_that_is_not_there_or_not_clear_is_said_so(journal, name, words):
    for run in ("2026-a1", "2026-b2"):
        journal.append(run, 0, ended(1))
    with pytest.raises(StoreError, match=words):
        journal.find(name)


def test_a_folder_without_runs_is_not_turned_into_one(tmp_path):
    with pytest.raises(StoreError, match="there are no runs here"):
        Journal.in_folder(tmp_path / "elsewhere", create=False)
    assert not (tmp_path / "elsewhere").exists()


def test_a_store_that_is_not_there_is_not_made_by_who_reads_it(tmp_path):
    url = f"sqlite:///{tmp_path / 'mistyped.db'}"
    with pytest.raises(StoreError, match="there is no such journal"):
        Journal(url, create=False)
    assert not (tmp_path / "mistyped.db").exists()
    Journal(url, create=True).close()
    Journal(url, create=False).close()


def test_a_journal_that_another_program_holds_is_said_to_be_held(journal, tmp_path, monkeypatch):
    monkeypatch.setattr("lemonade_es.engine.history.journal._BUSY_MILLISECONDS", 50)
    with closing(Journal.in_folder(tmp_path, create=True)) as late:
        other = sqlite3.connect(tmp_path / DATABASE)
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="another program holds the journal"):
            late.append("r", 0, ended(1))
        other.close()


def test_a_gap_in_the_record_is_reported_and_not_read_over(journal, tmp_path):
    for number in range(3):
        journal.append("r", number, ended(number + 1))
    with sqlite3.connect(tmp_path / DATABASE) as other:
        other.execute("delete from events where seq = 1")
    other.close()
    with pytest.raises(StoreError, match="event 1 is missing"):
        journal.read("r")


def test_a_journal_in_memory_is_refused():
    with pytest.raises(StoreError, match="lost with the process"):
        Journal("sqlite://")


def test_a_damaged_payload_is_reported_with_its_place(journal, tmp_path):
    journal.append("r", 0, ended(1))
    with sqlite3.connect(tmp_path / DATABASE) as other:
        other.execute('update events set payload = \'{"iteration": "one"}\'')
    other.close()
    with pytest.raises(StoreError, match="a recorded IterationEnded is damaged at"):
        journal.read("r")


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ('{"iteration": 1, "CM": 2e400}', "run r: event 0 is damaged: 2e400 is no finite number"),
        ('{"iteration": 1, "CM": NaN}', "run r: event 0 is damaged: NaN is no finite number"),
        ("[" * 100_000, "run r: event 0 is damaged: "),
        ("[]", "run r, event 0: a recorded IterationEnded is damaged: "),
        ('{"iteration": "x"}', "run r, event 0: a recorded IterationEnded is damaged at iteration: "),
    ],
    ids=["too large", "no number", "too deep", "a list", "a word"],
)
def test_what_no_version_writes_is_damage_with_its_place(journal, tmp_path, payload, words):
    journal.append("r", 0, ended(1))
    with sqlite3.connect(tmp_path / DATABASE) as other:
        other.execute("update events set payload = ?", (payload,))
    with pytest.raises(StoreError) as failure:
        journal.read("r")
    assert str(failure.value).startswith(words)


def test_a_file_that_is_no_database_is_reported(tmp_path):
    (tmp_path / DATABASE).write_bytes(b"no database " * 400)
    with pytest.raises(StoreError, match="not a database"):
        Journal.in_folder(tmp_path, create=True)


def test_what_is_no_url_of_a_store_is_told_how_one_is_written(tmp_path):
    with pytest.raises(StoreError, match="Could not parse") as caught:
        Journal(str(tmp_path / "lemonade.db"), create=False)
    assert "sqlite:///runs/lemonade.db for a file" in str(caught.value)


def test_a_store_url_of_an_unknown_kind_is_reported_without_its_password():
    with pytest.raises(StoreError) as caught:
        Journal("nosuch://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_run_ids_differ_and_sort_by_time():
    assert new_run_id() != new_run_id()


def test_a_tape_answers_from_the_journal_before_it_records(journal):
    first = Tape(journal, "r")
    first.record(refused(1))
    first.record(ended(1))
    told = []
    again = Tape(journal, "r", journal.read("r"), told.append)
    assert again.recall(ended(1).__class__) is None  # the next one is a refusal
    assert again.recall(Refused) == refused(1)
    assert again.recall(IterationEnded) == ended(1)
    assert again.recall(IterationEnded) is None
    again.record(ended(2))
    assert told == [refused(1), ended(1), ended(2)]
    assert journal.count("r") == 3


def test_a_tape_passes_over_interruptions_but_keeps_counting(journal):
    Tape(journal, "r").record(refused(1))
    journal.append("r", 1, RunInterrupted(1))
    again = Tape(journal, "r", journal.read("r"))
    assert again.recall(Refused) == refused(1)
    again.record(ended(1))
    assert [type(entry.event).__name__ for entry in journal.read("r")] == [
        "Refused",
        "RunInterrupted",
        "IterationEnded",
    ]


def test_a_search_that_departs_from_its_tape_is_stopped(journal):
    Tape(journal, "r").record(refused(1))
    again = Tape(journal, "r", journal.read("r"))
    with pytest.raises(StoreError, match="event 0 is Refused, but the search now does IterationEnded"):
        again.record(ended(1))


def test_a_tape_that_is_only_read_ends(journal):
    with pytest.raises(TapeEnd):
        Tape(None, "r").record(ended(1))


def test_an_artifact_is_named_after_its_content_and_comes_back(tmp_path):
    artifacts = Artifacts(tmp_path)
    name = artifacts.put(b"import torch\n", ".py")
    assert artifacts.put(b"import torch\n", ".py") == name
    assert artifacts.read(name) == b"import torch\n"


def test_a_damaged_artifact_is_written_again_where_its_content_is_at_hand(tmp_path):
    artifacts = Artifacts(tmp_path)
    name = artifacts.put(b"content", ".py")
    artifacts.path(name).write_bytes(b"")  # as an interrupted copy leaves it
    assert artifacts.put(b"content", ".py") == name
    assert artifacts.read(name) == b"content"


def test_a_changed_artifact_is_not_taken_for_the_old_one(tmp_path):
    artifacts = Artifacts(tmp_path)
    name = artifacts.put(b"import torch\n", ".py")
    artifacts.path(name).write_bytes(b"import os\n")
    with pytest.raises(StoreError, match="changed or damaged"):
        artifacts.read(name)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        write_file(tmp_path / "taken" / "model.py", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    "url", ["nosuch://127.0.0.1/db?user=me&password=canary", "nosuch://me:canary@h/db", "me:canary@h", "me:ca/canary@h"]
)
def test_no_credentials_of_a_store_url_are_told(url):
    with pytest.raises(StoreError) as failure:
        Journal(url)
    assert "canary" not in str(failure.value)


def test_a_name_that_is_no_utf8_comes_back_as_it_was_given(journal):
    event = Refused(1, 1, "forward", "SHAPE_MISMATCH", "in caf\udce9.py", 7, "x = 1")
    journal.append("r", 0, event)
    assert [entry.event for entry in journal.read("r")] == [event]


def test_a_run_that_cannot_be_begun_leaves_what_another_one_has_in_its_folder(tmp_path):
    folder = RunFolder(tmp_path, None)
    kept = tmp_path / "r-1" / "best" / "model.py"
    with folder.held("r-1"):
        write_file(kept, b"pass")
        with pytest.raises(StoreError, match="another process is at work"), folder.opened("r-1", BEGUN):
            pass
    assert kept.read_bytes() == b"pass"


def begin(folder, run, barrier, told):
    """Begins a run in a fresh folder at the same time as others do."""
    barrier.wait()
    try:
        with RunFolder(folder, None).opened(run, BEGUN) as (journal, _):
            journal.append(run, 1, ended(1))
    except StoreError as error:
        told.put(str(error))


def test_runs_that_begin_at_once_in_a_fresh_folder_all_begin(tmp_path):
    context = multiprocessing.get_context("fork")
    for number in range(8):
        folder, barrier, told = tmp_path / str(number), context.Barrier(3), context.SimpleQueue()
        names = [f"r-{name}" for name in range(3)]
        processes = [context.Process(target=begin, args=(folder, run, barrier, told)) for run in names]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert told.empty(), told.get()
        with closing(RunFolder(folder, None).journal(create=False)) as journal:
            assert sorted(journal.runs()) == names


def test_a_folder_that_another_run_is_about_to_use_is_left_alone(tmp_path):
    folder = RunFolder(tmp_path / "runs", None)
    with folder.held("r-1"), folder._locked(fcntl.LOCK_SH):
        with pytest.raises(StoreError, match="another process is at work"), folder.opened("r-1", BEGUN):
            pass
        assert (folder.path / DATABASE).is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_store_on_a_disk_that_cannot_be_written_is_read(tmp_path):
    runs = tmp_path / "my runs #1?"
    with closing(Journal.in_folder(runs, create=True)) as written:
        written.append("r", 0, ended(1))
    mount = ["mount", "--bind", "-o", "ro", str(runs), str(runs)]
    script = "import sys; from pathlib import Path; from lemonade_es.engine.folder import RunFolder; "
    script += "print(len(RunFolder(Path(sys.argv[1]), None).entries('r')))"
    inside = f"{shlex.join(mount)} && {shlex.join([sys.executable, '-c', script, str(runs)])}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", inside], capture_output=True, text=True, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("store", "told"),
    [
        (None, ""),
        ("sqlite:////srv/my runs.db", " --store 'sqlite:////srv/my runs.db'"),
        ("postgresql+psycopg://host/db", " --store postgresql+psycopg://host/db"),
        ("postgresql+psycopg://me:secret@host/db", " --store URL"),
        ("postgresql+psycopg://host/db?password=secret", " --store URL"),
    ],
)
def test_a_command_to_go_on_with_names_the_store_where_no_secret_can_be_in_it(tmp_path, store, told):
    assert RunFolder(tmp_path, store).store_option == told


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("sqlite:////srv/no#1/me@home.db", "/srv/no#1/me@home.db: there is no such journal"),
        ("postgresql+nothing://me:secret@host/db?password=secret", "postgresql+nothing://host/db: "),
        ("secret@host", "--store: "),
        ("postgresql+nothing://me:se@cret@host/db", "postgresql+nothing://host/db: "),
        ("postgresql+nothing://host:port/db", "--store: "),
    ],
)
def test_a_journal_that_cannot_be_opened_is_named_without_its_secrets(store, told):
    with pytest.raises(StoreError) as refused:
        Journal(store, create=False)
    assert str(refused.value).startswith(told)
    assert "cret" not in str(refused.value)


def test_a_journal_that_is_no_journal_leaves_no_file_open(tmp_path):
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    (tmp_path / "empty.db").write_bytes(b"")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(StoreError):
            Journal(url, create=False)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
