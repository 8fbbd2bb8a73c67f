"""What can go wrong between a client and a server. Every message names what was received."""


class ServingError(Exception):
    """Base of all errors of the client; raised directly for errors without a class of their own."""


class InvalidRequest(ServingError, ValueError):
    """The request does not fit the model: a name, a type, a shape, or what the server refused."""


class ModelNotFound(ServingError, LookupError):
    """The server has no such model or version; the message says what it does have."""


class Unavailable(ServingError, ConnectionError):
    """No server answers at the address, or it is overloaded. Retrying may help."""


class DeadlineExceeded(ServingError, TimeoutError):
    """The answer did not come in time."""


class InvalidResponse(ServingError):
    """The server's answer does not hold what was asked for."""
