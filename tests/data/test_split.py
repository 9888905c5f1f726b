import numpy as np
import pytest

from normkit.data import DataError
from normkit.data.split import TEST, TRAIN, VALIDATION, check_sizes, choose, divide

POOL = np.repeat([0, 1, 2], [100, 50, 25])


def test_a_pool_becomes_64_16_20_percent_of_every_class() -> None:
    parts = divide(POOL, None, seed=0)
    counts = [np.bincount(POOL[part]).tolist() for part in parts]
    assert counts == [[64, 32, 16], [16, 8, 4], [20, 10, 5]]


def test_parts_share_no_image_and_leave_none_out() -> None:
    together = np.concatenate(divide(POOL, None, seed=3))
    assert sorted(together) == list(range(len(POOL)))


def test_the_seed_alone_decides() -> None:
    first, again, other = (divide(POOL, None, seed=seed)[2] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_given_training_and_test_images_stay_and_validation_takes_a_fifth_of_training() -> None:
    labels = np.repeat([0, 1], 60)
    given = np.tile(np.repeat([TRAIN, TEST], [50, 10]), 2)
    train, validation, test = divide(labels, given, seed=0)
    assert test.tolist() == np.flatnonzero(given == TEST).tolist()
    assert np.bincount(labels[validation]).tolist() == [10, 10]
    assert np.bincount(labels[train]).tolist() == [40, 40]


def test_a_split_that_is_whole_is_kept_as_it_is() -> None:
    labels = np.repeat([0, 1], 6)
    given = np.tile(np.repeat([TRAIN, VALIDATION, TEST], [3, 1, 2]), 2)
    parts = divide(labels, given, seed=0)
    for part, positions in enumerate(parts):
        assert positions.tolist() == np.flatnonzero(given == part).tolist()


def test_a_missing_test_part_takes_a_fifth_of_training() -> None:
    labels = np.repeat([0, 1], 12)
    given = np.tile(np.repeat([TRAIN, VALIDATION], [10, 2]), 2)
    train, validation, test = divide(labels, given, seed=0)
    assert (len(train), len(validation), len(test)) == (16, 4, 4)


def test_the_smallest_class_still_has_an_image_in_every_part() -> None:
    labels = np.repeat([0, 1], [3, 40])
    assert [np.sum(labels[part] == 0) for part in divide(labels, None, seed=0)] == [1, 1, 1]


def test_a_class_too_small_to_be_split_is_named() -> None:
    check_sizes(np.repeat([0, 1], 3), None, ("cat", "dog"))
    with pytest.raises(DataError, match=r"at least 3 images.*'dog' has 2"):
        check_sizes(np.repeat([0, 1], [5, 2]), None, ("cat", "dog"))


def test_a_class_missing_from_a_given_part_is_named() -> None:
    labels, given = np.array([0, 0, 1, 1, 0]), np.array([TRAIN] * 4 + [TEST])
    with pytest.raises(DataError, match=r"at least 1 image in the given test part.*'dog' has 0"):
        check_sizes(labels, given, ("cat", "dog"))


def test_a_subset_has_the_wanted_size_and_keeps_the_classes_proportions() -> None:
    chosen = choose(POOL, None, limit=35, seed=0)
    assert np.bincount(POOL[chosen]).tolist() == [20, 10, 5]
    assert chosen.tolist() == sorted(set(chosen))


@pytest.mark.parametrize("limit", [9, 10, 23, 97, 174])
def test_a_subset_of_any_size_is_exact_and_can_be_split(limit: int) -> None:
    chosen = choose(POOL, None, limit, seed=0)
    assert len(chosen) == limit
    check_sizes(POOL[chosen], None, ("a", "b", "c"))


def test_a_subset_keeps_the_proportions_of_given_parts() -> None:
    labels = np.repeat([0, 1], 70)
    given = np.tile(np.repeat([TRAIN, TEST], [60, 10]), 2)
    chosen = choose(labels, given, limit=28, seed=0)
    assert np.bincount(given[chosen] * 10 + labels[chosen])[[0, 1, 20, 21]].tolist() == [
        12,
        12,
        2,
        2,
    ]


def test_another_seed_chooses_other_images() -> None:
    first, again, other = (choose(POOL, None, 30, seed).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_limit_beyond_the_data_takes_everything() -> None:
    assert len(choose(POOL, None, limit=10_000, seed=0)) == len(POOL)


def test_a_limit_too_small_for_every_class_in_each_part_says_the_least() -> None:
    with pytest.raises(DataError, match=r"at least 9 for these 3 classes, got 8"):
        choose(POOL, None, limit=8, seed=0)
