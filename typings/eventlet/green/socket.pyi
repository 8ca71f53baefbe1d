from socket import getaddrinfo as getaddrinfo
from socket import gethostbyname as gethostbyname
from socket import gethostbyname_ex as gethostbyname_ex
from socket import getnameinfo as getnameinfo
