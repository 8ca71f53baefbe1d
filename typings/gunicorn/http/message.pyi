class Request:
    method: str
    path: str
