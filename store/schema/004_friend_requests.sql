-- Who has asked whom to be a friend, and has no answer yet.
CREATE TABLE IF NOT EXISTS friend_requests (
    user {id} NOT NULL,
    peer {id} NOT NULL,
    text {text} NULL,
    time {int} NOT NULL,
    PRIMARY KEY (user, peer)
) {clustered};

CREATE INDEX friend_requests_peer ON friend_requests (peer);
