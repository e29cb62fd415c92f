"""The one exception tree.

    DarkroomError
    ├── UsageError              the caller must change what was asked (exit code 2)
    │   ├── BackboneError       the model file is no usable backbone
    │   └── MixedBackbonesError vectors of two backbones would meet in one corpus
    ├── UnbalancedReceiptError  images are unaccounted for: the run is not done
    ├── ObjectNotFoundError     the object is not there (any more)
    ├── UnreadableObjectError   the object is there, but reading it is refused
    └── TransientError          trying again may help
        ├── ConflictError       someone else wrote first: ours did not land
        └── LostAnswerError     a write on condition may have landed: touch nothing, look again

A picture that cannot be used is none of these: it is a `Rejection`, a row with a reason.
"""


class DarkroomError(Exception):
    """Anything Darkroom raises on purpose; its text is meant for the user."""


class UsageError(DarkroomError):
    """What was asked cannot be done; the text says what to change."""


class BackboneError(UsageError):
    """The model file is not ONNX, or not `uint8 (n, h, w, 3) -> float32 (n, d)`."""


class MixedBackbonesError(UsageError):
    """The corpus holds vectors of another backbone."""


class UnbalancedReceiptError(DarkroomError):
    """found != processed + rejected + missing."""


class ObjectNotFoundError(DarkroomError):
    """No such object in the store."""


class UnreadableObjectError(DarkroomError):
    """The store has the object but does not let us read it."""


class TransientError(DarkroomError):
    """A fault of the moment: the same call may go through later."""


class ConflictError(TransientError):
    """A conditional write was refused, and did not land: the object changed since it was read."""


class LostAnswerError(TransientError):
    """A conditional write may have landed or not: its answer was lost."""
