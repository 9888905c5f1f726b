from normkit.data import DataError


def test_bad_data_is_a_bad_value() -> None:
    assert issubclass(DataError, ValueError)
