"""What can go wrong between a client and a server. Every message names what was received."""


class ServingError(Exception):
    """Base of all errors of the client; raised itself for what has no class of its own."""


class InvalidRequest(ServingError, ValueError):
    """The request does not fit the model: a name, a type, a shape, or what the server refused."""


class ModelNotFound(ServingError, LookupError):
    """The server has no such model or version; the message says what it does have."""


class Unavailable(ServingError, ConnectionError):
    """No server answers at the address, or it has too much to do. Trying again may help."""


class DeadlineExceeded(ServingError, TimeoutError):
    """The answer did not come in time."""


class InvalidResponse(ServingError):
    """The server's answer does not hold what was asked for."""
