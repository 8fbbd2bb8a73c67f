"""The errors of the server: gRPC statuses for its callers, and what prevents a start."""

import grpc

_MESSAGE_LIMIT = 1024


class StatusError(Exception):
    """A gRPC status for the caller.

    Args:
        code: the status code.
        message: what the caller reads, cut at 1,024 characters as in TF Serving.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        if len(message) > _MESSAGE_LIMIT:
            message = message[:_MESSAGE_LIMIT] + "...TRUNCATED"
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def number(self) -> int:
        """The code's number, which is also TensorFlow's."""
        return self.code.value[0]


class StartError(Exception):
    """The server cannot start; the message is one line that says why and what to do."""


def invalid_argument(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.FAILED_PRECONDITION, message)


def unavailable(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.UNAVAILABLE, message)


def unimplemented(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.UNIMPLEMENTED, message)


def from_code_number(number: int, message: str) -> StatusError:
    """Returns the error of a TensorFlow error code; the numbers are gRPC's."""
    code = _CODES.get(number, grpc.StatusCode.UNKNOWN)
    return StatusError(code, message)


_CODES = {code.value[0]: code for code in grpc.StatusCode}
