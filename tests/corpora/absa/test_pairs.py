import io
import pickle

import pytest

from raysearch.corpora import absa
from raysearch.corpora.absa import PAIR_ROLES, load_pair, missing_views
from raysearch.errors import ConfigError, DataError, RoleError

OPEN = {"train", "dev", "unlabelled"}


def test_views_of_a_pair(pair, marked):
    loaded = load_pair(pair, "en-xx", "", OPEN)
    assert (loaded.source, loaded.target, loaded.name) == ("en", "xx", pair)
    views = loaded.views()
    assert [view.row for view in views] == [0, 1, 2, 3, 4]
    assert views[2] == absa.AlignedViews(
        row=2,
        s=marked("A [very old wine list]- with [staff]+ ."),
        st=marked("A [vino]- with [perso nal]+ ."),
        ts=marked("Ka [very list]- kon [staff]+ ."),
        t=marked("Ka [vino]- kon [perso nal]+ ."),
    )
    assert views[3] == absa.AlignedViews(row=3, s=marked("The [lost one]- went ."))
    assert views[4].t == marked("[Garso]= , plis !")
    assert missing_views(loaded) == ()
    assert loaded.notes == (
        "1 source sentence without translation",
        "1 row of D_ST dropped, repeating source sentences",
        "1 row of D_TS with only first and last word of 1 longer source aspect",
    )


def test_built_views_have_whole_terms(pair, marked):
    files = load_pair(pair, "en-xx", "", OPEN)
    built = load_pair(pair, "en-xx", "", OPEN, code_switch="built")
    assert built.views()[2].ts == marked("Ka [very old wine list]- kon [staff]+ .")
    assert [view.st for view in built.views()] == [view.st for view in files.views()]
    same = {key for key in files.digests if files.digests[key] == built.digests[key]}
    assert same == {"s", "st", "t", "dev", "unlabelled"}


def test_noise_changes_all_but_the_source(pair):
    plain = load_pair(pair, "en-xx", "", {"train"}, code_switch="built")
    seeds = {}
    for seed in range(3):
        noisy = load_pair(
            pair, "en-xx", "", {"train"}, code_switch="built", alignment_noise=0.5, noise_seed=seed
        )
        assert noisy.digests["s"] == plain.digests["s"]
        assert all(noisy.digests[view] != plain.digests[view] for view in ("st", "ts", "t"))
        assert noisy.notes[-1] == f"2 of 4 aspects aligned wrongly, seed {seed}"
        seeds[noisy.digests["t"]] = seed
        for view in noisy.views():
            one = [sentence.aspects for sentence in (view.s, view.st, view.ts, view.t) if sentence]
            assert len({tuple(a.polarity for a in aspects) for aspects in one}) == 1
            if view.t is not None:  # the wrong term is inserted, the wrong place replaced
                assert absa.code_switching.terms(view.st) == absa.code_switching.terms(view.t)
                assert absa.code_switching.terms(view.ts) == absa.code_switching.terms(view.s)
    assert len(seeds) > 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alignment_noise": 0.1}, "`alignment_noise` must be 0 unless `code_switch` is built"),
        ({"alignment_noise": 1.1, "code_switch": "built"}, "must be from 0 to 1, but got 1.1"),
        ({"code_switch": "made"}, "`code_switch` must be files or built, but got 'made'"),
    ],
)
def test_noise_that_cannot_be(pair, settings, said):
    with pytest.raises(ConfigError, match=said):
        load_pair(pair, "en-xx", "", OPEN, **settings)


@pytest.mark.parametrize("name", ["en", "en-en", "en-xx-yy", "-xx", "en xx", "../a-b"])
def test_a_pair_is_two_languages(pair, name):
    with pytest.raises(ConfigError, match="two different languages"):
        load_pair(pair, name, "", OPEN)


@pytest.mark.parametrize("roles", [set(), {"train", "tset"}, "train"])
def test_roles_must_be_known(pair, roles):
    with pytest.raises(RoleError, match="`roles` must be one or more of train, dev, unlabelled"):
        load_pair(pair, "en-xx", "", roles)


def test_unopened_roles_cannot_be_read_and_are_not_held(pair, tmp_path):
    loaded = load_pair(pair, "en-xx", "", OPEN)
    assert loaded.roles == ("train", "dev", "unlabelled")
    for role in set(PAIR_ROLES) - OPEN:
        with pytest.raises(RoleError, match=f"role `{role}` .* pair en-xx"):
            loaded.sentences(role)
    with pytest.raises(RoleError):
        load_pair(pair, "en-xx", "", {"dev"}).views()
    with pytest.raises(RoleError):
        missing_views(load_pair(pair, "en-xx", "", {"dev"}))
    held = []

    class Spy(pickle.Pickler):
        def persistent_id(self, value):
            held.append(value)

    Spy(io.BytesIO()).dump(loaded)
    assert "en-dev" in held
    assert not {"xx-test", "xx-dev"} & {value for value in held if isinstance(value, str)}
    (tmp_path / "gold-xx-test.txt").write_text("damaged")  # not even opened
    load_pair(pair, "en-xx", "", OPEN)
    with pytest.raises(DataError, match="gold-xx-test"):
        load_pair(pair, "en-xx", "", {"test"})


def test_unlabelled_sentences_have_no_labels(pair):
    loaded = load_pair(pair, "en-xx", "", PAIR_ROLES)
    assert loaded.sentences("unlabelled")[0].words == loaded.sentences("target_train")[0].words
    assert set(loaded.sentences("unlabelled")[0].tags) == {"O"}
    assert "T-POS" in loaded.sentences("target_train")[0].tags
    assert loaded.digests["unlabelled"] != loaded.digests["target_train"]
    assert set(loaded.digests) == {*absa.VIEWS, *PAIR_ROLES} - {"train"}


def test_a_translation_alone_pairs_row_by_row(write, marked):
    write("gold-en-train.txt", "The [food]+ .", "No .", "[A]- and [b]+")
    write("smt-en-xx-train.txt", "Ka [manro]+ .", "Na .", "[A]- on [be]+")
    folder = write("smt-xx-train.txt", "never read")
    loaded = load_pair(folder, "en-xx", "", {"train"})
    assert missing_views(loaded) == ("st", "ts")
    assert [view.t for view in loaded.views()] == [
        marked("Ka [manro]+ ."),
        marked("Na ."),
        marked("[A]- on [be]+"),
    ]
    built = load_pair(folder, "en-xx", "", {"train"}, code_switch="built")
    assert missing_views(built) == ()
    assert built.views()[2].ts == marked("[A]- on [b]+")


def test_rows_that_disagree_keep_their_source_alone(write, marked):
    write("gold-en-train.txt", *["The [food]+ ."] * 11, "[A]- and [b]+")
    folder = write("smt-xx-train.txt", *["Ka [manro]+ ."] * 11, "[A]- on [be]-")
    loaded = load_pair(folder, "en-xx", "", {"train"})
    assert loaded.views()[11] == absa.AlignedViews(row=11, s=marked("[A]- and [b]+"))
    assert loaded.notes == (
        "1 row used without its other views, which differ in number or polarity of aspects "
        "(line 45)",
    )


def test_a_translation_of_other_rows_is_refused(write):
    write("gold-en-train.txt", "The [food]+ .", "No .", "[A]- and [b]+")
    folder = write("smt-xx-train.txt", "Na .", "Ka [manro]+ .", "[A]- on [be]+")
    with pytest.raises(DataError, match=r"smt-xx-train.txt: rows .* 2 of them differ .* line 1;"):
        load_pair(folder, "en-xx", "", {"train"})
    write("smt-xx-train.txt", "Ka [manro]+ .", "Na .")
    said = r"smt-xx-train.txt: .* each of the 3 rows .* has 2 \(the last begins at line 5\)"
    with pytest.raises(DataError, match=said):
        load_pair(folder, "en-xx", "", {"train"})


def test_without_translation_there_is_the_source_alone(pair, tmp_path):
    (tmp_path / "smt-xx-train.txt").unlink()
    loaded = load_pair(pair, "en-xx", "", {"train"})
    assert missing_views(loaded) == ("st", "ts", "t")
    [note] = loaded.notes
    assert note.startswith("no translation of the source sentences (smt-en-xx-train.txt)")


def test_missing_files_are_all_named(pair, tmp_path):
    with pytest.raises(DataError) as told:
        load_pair(pair, "xx-yy", "", PAIR_ROLES)
    text = str(told.value)
    missing = "gold-yy-train.txt", "gold-yy-dev.txt", "gold-yy-test.txt"
    assert f"lacks {', '.join(missing)} (gold files of en, xx are there)" in text
    (tmp_path / "cs_xx-en-train.txt").unlink()
    with pytest.raises(DataError, match=r"lacks cs_xx-en-train\.txt"):
        load_pair(pair, "en-xx", "", OPEN)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cs_xx-en-train.txt", "source sentence of gold-en-train.txt"),
        ("cs_en-xx-train.txt", "translation of smt-xx-train.txt"),
    ],
)
def test_a_code_switched_row_without_counterpart(pair, tmp_path, name, said):
    file = tmp_path / name
    rows = file.read_text().split("\n\n")
    rows[1] = rows[1].replace("We", "You").replace("Wi", "You")
    file.write_text("\n\n".join(rows))
    with pytest.raises(DataError, match=rf"{name}: .*{said}.* but got 'You le\w+ \.' \(line 7\)"):
        load_pair(pair, "en-xx", "", OPEN)


def test_a_row_at_the_end_must_repeat_the_source(pair, tmp_path):
    file = tmp_path / "cs_xx-en-train.txt"
    file.write_text(file.read_text().replace("went", "goes"))
    with pytest.raises(DataError, match=r"after the 4 of cs_en-xx-train.txt must repeat.*line 23"):
        load_pair(pair, "en-xx", "", OPEN)


def test_an_extra_row_of_the_translation_drops_out(pair, tmp_path):
    before = load_pair(pair, "en-xx", "", {"train"})
    file = tmp_path / "smt-xx-train.txt"
    rows = file.read_text().split("\n\n")
    file.write_text("\n\n".join([*rows[:2], "Ekstra\tT-POS\tX\nsi\tO\tX", *rows[2:]]))
    after = load_pair(pair, "en-xx", "", {"train"})
    assert after.views() == before.views()
    assert "1 row of the translation dropped, belonging to no source sentence (line 11)" in (
        after.notes
    )


def test_problems_of_all_training_files_at_once(pair, tmp_path):
    for name in ("gold-en-train.txt", "smt-xx-train.txt", "cs_en-xx-train.txt"):
        (tmp_path / name).write_text("a\tX\tX\n")
    with pytest.raises(DataError) as told:
        load_pair(pair, "en-xx", "", {"train"})
    assert str(told.value).count("`tag` must be") == 3


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ("emobank", "must hold language pairs, but got 'emobank'.*sample_reviews, xabsa"),
        ("nothing", "must hold language pairs, but got 'nothing'"),
        ("./nothing", "no gold file is there"),
    ],
)
def test_what_is_no_corpus_of_pairs(corpus, said):
    with pytest.raises(DataError, match=said):
        load_pair(corpus, "en-es", "", OPEN)


@pytest.mark.parametrize("role", ["dev", "test", "target_dev", "target_train"])
def test_a_labelled_file_without_aspects_is_refused(pair, write, role):
    files = {"dev": "en-dev", "test": "xx-test", "target_dev": "xx-dev", "target_train": "xx-train"}
    write(f"gold-{files[role]}.txt", "No aspect .", "None here .")
    rule = "a labelled file must have aspects .* but its 2 sentences have none"
    with pytest.raises(DataError, match=rf"gold-{files[role]}\.txt: {rule}"):
        load_pair(pair, "en-xx", "", {"train", role})
    load_pair(pair, "en-xx", "", {"train", "unlabelled"})  # whose labels nobody reads


def test_training_sentences_without_aspects_are_refused(pair, write, tmp_path):
    write("gold-en-train.txt", "No aspect .", "None here .")
    write("smt-xx-train.txt", "No aspecto .", "Non hier .")
    for path in ("cs_xx-en-train.txt", "cs_en-xx-train.txt"):
        (tmp_path / path).unlink()
    with pytest.raises(DataError) as told:
        load_pair(pair, "en-xx", "", {"train"})
    for path in ("gold-en-train.txt", "smt-xx-train.txt"):
        assert f"{path}: a labelled file must have aspects" in str(told.value)
