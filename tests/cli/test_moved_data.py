"""Data that were moved since a run: named anew, and recognised by what they are."""

import pytest

from tests.cli.conftest import Command, photographs

pytestmark = pytest.mark.isolation


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A command whose run's data lie in ``archive/pets`` now, and other data in ``others``."""
    command = Command(tmp_path_factory.mktemp("moved"))
    tree = photographs(command.folder / "photos")
    assert command("run", "--data", "photos", "--iterations", 1, "--epochs", 1).code == 0
    (command.folder / "archive").mkdir()
    tree.rename(command.folder / "archive" / "pets")
    photographs(command.folder / "others", classes=("red", "green"))
    return command


@pytest.mark.parametrize("words", [("run", "--resume", "latest"), ("finalize", "latest"), ("export", "latest")])
def test_the_error_says_how_to_name_their_place(moved, words):
    more = ("--iterations", 2) if words[0] == "run" else ()
    done = moved(*words, *more)
    assert done.code == 2
    assert "if the data were moved, give their place: --data" in " ".join(done.err.split())


@pytest.mark.parametrize("words", [("run", "--resume", "latest"), ("finalize", "latest"), ("export", "latest")])
def test_other_data_are_refused(moved, words):
    done = moved(*words, "--data", "others")
    assert done.code == 2
    assert "the data set is not the one that the run was started with" in done.err


@pytest.mark.slow
def test_a_final_training_and_an_export_go_on_with_them(moved):
    final = moved("finalize", "latest", "--epochs", 1, "--data", "archive/pets", "--json")
    assert final.code == 0, final.err
    exported = moved("export", "latest", "--format", "source", "--data", "archive/pets", "--json")
    assert exported.code == 0, exported.err


@pytest.mark.slow
def test_a_search_goes_on_with_them_and_remembers_their_place(moved):
    done = moved("run", "--resume", "latest", "--iterations", 2, "--data", "archive/pets", "--json")
    assert done.code == 0, done.err
    assert done.json["iterations"] == 2
    again = moved("run", "--resume", "latest", "--iterations", 3, "--json")
    assert again.code == 0, again.err
    replayed = moved("explain", "latest", "--replay")
    assert replayed.code == 0, replayed.out


@pytest.mark.slow
def test_a_published_set_that_is_no_longer_there_may_be_fetched_again(lemonade):
    trees = photographs(lemonade.folder / "data" / "cell_images", classes=("Parasitized", "Uninfected"))
    assert lemonade("run", "--data", "malaria", "--iterations", 1, "--epochs", 1).code == 0
    trees.rename(lemonade.folder / "elsewhere")
    for words in (("run", "--resume", "latest", "--iterations", 2), ("finalize", "latest"), ("export", "latest")):
        refused = lemonade(*words)
        assert refused.code == 2
        assert "malaria is not here" in refused.err
        assert "add --download" in refused.err
        tried = lemonade(*words, "--download", https_proxy="http://127.0.0.1:1")  # nobody listens there
        assert tried.code == 2
        assert "malaria cannot be fetched into data" in tried.err
