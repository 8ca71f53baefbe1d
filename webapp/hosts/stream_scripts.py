"""What Redis does with the stream of events at once: all of it is done, or nothing.

Each key has the same hash tag, so that one script may touch them all.
"""

from typing import Final

EVENTS: Final = "{herald}:events"
EPOCH: Final = "{herald}:epoch"

SECTIONS: Final = "{herald}:sections"
"""The last entry of each section of the stream, the oldest first. A section has so many bytes that
the stream may have ``SECTION_COUNT`` of them, so what it has is known without looking at it."""

SECTION: Final = "{herald}:section"
"""How many bytes stand behind the last section."""

SECTION_COUNT: Final = 64

# A host begins an epoch where it cannot know whether it speaks to the same Redis as before; its
# text says behind which entry that was. Whoever appends says up to which of its events the stream
# had them; a stream that has fewer has lost some, and is not given any before those are appended
# again. One that has more was not heard when it said so: what it has is left out. An inbox is there
# for a minute after the last answer that was put into it, and holds 10,000.
APPEND: Final = """
local epoch = redis.call('GET', KEYS[2])
if not epoch or ARGV[6] == '1' then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  epoch = ARGV[1] .. '-' .. (last and last[1] or '0-0')
  redis.call('SET', KEYS[2], epoch)
end
local had = tonumber(redis.call('GET', KEYS[3]) or '0')
if had < tonumber(ARGV[2]) then return {epoch, had} end
local at, bytes, last = 10, 0, nil
for _ = 1, tonumber(ARGV[5]) do
  local number = tonumber(ARGV[at])
  if number == 0 or number > had then
    last = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*',
                      'e', epoch, 'h', ARGV[at + 1], 'p', ARGV[at + 2])
    bytes = bytes + #ARGV[at + 1] + #ARGV[at + 2] + tonumber(ARGV[9])
    if number > 0 then had = number end
  end
  at = at + 3
end
redis.call('SET', KEYS[3], had, 'EX', ARGV[3])
if last then
  local open, section = redis.call('INCRBY', KEYS[5], bytes), tonumber(ARGV[7])
  while open >= section do
    redis.call('RPUSH', KEYS[4], last)
    open = redis.call('DECRBY', KEYS[5], section)
  end
  while redis.call('LLEN', KEYS[4]) >= tonumber(ARGV[8]) do
    redis.call('XTRIM', KEYS[1], 'MINID', '~', redis.call('LPOP', KEYS[4]))
  end
end
for inbox = 6, #KEYS do
  redis.call('XADD', KEYS[inbox], 'MAXLEN', '~', '10000', '*', 'r', ARGV[at])
  redis.call('EXPIRE', KEYS[inbox], '60')
  at = at + 1
end
return {epoch, had}
"""

# What is too old goes at a heartbeat, by the clock of Redis.
TRIM: Final = """
local oldest = (tonumber(redis.call('TIME')[1]) - tonumber(ARGV[1])) * 1000
local first = redis.call('LINDEX', KEYS[2], 0)
while first and tonumber(string.match(first, '^%d+')) < oldest do
  redis.call('LPOP', KEYS[2])
  first = redis.call('LINDEX', KEYS[2], 0)
end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', string.format('%.0f', oldest))
"""
