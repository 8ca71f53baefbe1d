from typing import NotRequired, TypedDict

class Crawler(TypedDict):
    pattern: str
    tags: NotRequired[list[str]]

CRAWLER_USER_AGENTS_DATA: list[Crawler]
