<?php
// Publish to Herald from PHP 8 or newer, with no extension.
// HERALD_URL=http://localhost:1055 HERALD_KEY=… php publish.php

const TRIES = 6; // with the waits between them less than the 5 minutes that Herald knows a key of a call
const ANSWER_SECONDS = 10;
const LONGEST_WAIT = 30;
const AGAIN = [408, 409, 429, 500, 502, 503, 504]; // any other refusal would be the same once more

/** POSTs the body and returns the answer; what is sent several times is published once. */
function call(string $path, array $body): array
{
    $options = [
        'method' => 'POST',
        'header' => [
            'Authorization: Bearer ' . getenv('HERALD_KEY'),
            'Content-Type: application/json',
            'Idempotency-Key: ' . bin2hex(random_bytes(16)),
        ],
        'content' => json_encode($body, JSON_THROW_ON_ERROR),
        'timeout' => ANSWER_SECONDS,
        'ignore_errors' => true, // a refusal is an answer, too
    ];
    $context = stream_context_create(['http' => $options]);
    for ($attempt = 1; ; $attempt++) {
        $http_response_header = [];
        $text = @file_get_contents(getenv('HERALD_URL') . $path, false, $context);
        $head = implode("\n", $http_response_header);
        $status = preg_match('~^HTTP/\S+ (\d+)~', $head, $found) ? (int) $found[1] : 0;
        $answer = json_decode((string) $text, true);
        if ($status >= 200 && $status < 300 && is_array($answer)) {
            return $answer;
        }
        // No status, or half an answer: not reached, or lost on the way.
        $again = $status < 300 || in_array($status, AGAIN, true);
        if (!$again || $attempt === TRIES) {
            throw new RuntimeException($text ?: 'Herald was not reached');
        }
        $retryAfter = preg_match('~^Retry-After: (\d+)~mi', $head, $found) ? (int) $found[1] : 0;
        $wait = max($retryAfter, 0.25 * 2 ** $attempt * mt_rand(50, 100) / 100);
        usleep((int) (1_000_000 * min($wait, LONGEST_WAIT)));
    }
}

try {
    $order = ['event' => 'order.created', 'room' => 'orders', 'data' => ['orderId' => 'cfa3f520']];
    echo json_encode(call('/events', $order)), "\n";
    $paid = ['event' => 'order.paid', 'room' => 'orders', 'data' => ['paymentId' => '9b93e1a0']];
    // An answer for each event, in order: an id, or an error.
    echo json_encode(call('/events/batch', ['events' => [$order, $paid]])), "\n";
} catch (RuntimeException $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
