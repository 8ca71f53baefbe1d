import io

class Request:
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: io.BytesIO
