"""Messages that another front end can word anew."""

import pickle

import numpy as np
import pytest

from sklearn_scan.core.validation import check_flag, check_option
from sklearn_scan.core.wording import Advice, Message, Setting, Value


def word(part):
    return f"<{type(part).__name__} {part}>"


def test_the_text_is_in_the_words_of_python():
    message = Message(
        "{} is {}: pass {} or {}.", Setting("k", "a"), Value(None), 3, "{b}"
    )
    assert message == "k='a' is None: pass 3 or {b}."
    assert str(ValueError(message)) == message


def test_numbers_of_numpy_are_written_as_numbers():
    number = np.int64(3)
    message = Message("{} or {}", Setting("k", number), Value(number))
    assert message == "k=3 or 3"


def test_parts_are_reworded_and_others_stay():
    inner = Message("more {}", Setting("n_heads"))
    message = Message("{}; {}; {}", Advice("topic", "call()"), inner, "n_heads")
    assert message.reworded(word) == "<Advice call()>; more <Setting n_heads>; n_heads"


def test_errors_go_through_other_processes():
    error = pickle.loads(pickle.dumps(ValueError(Message("{}!", Setting("k", 3)))))
    assert str(error) == "k=3!"
    assert error.args[0].reworded(word) == "<Setting k=3>!"


@pytest.mark.parametrize(
    ("check", "wrong"), [(check_flag, 3), (lambda n, v: check_option(n, v, ["a"]), "b")]
)
def test_checks_keep_the_name_of_the_parameter(check, wrong):
    with pytest.raises((TypeError, ValueError)) as caught:
        check("some_name", wrong)
    message = caught.value.args[0]
    assert message.startswith("some_name must be ")
    assert message.reworded(word).startswith("<Setting some_name> must be ")
