-- When something was last said in a conversation of two, or in a user's notices: `active` is the time (ms) of a message
-- of the hour of its last one, so that it is written once an hour at most. 0 in the rows of groups.
ALTER TABLE cursors ADD COLUMN active {int} NOT NULL DEFAULT 0;

UPDATE cursors SET active = COALESCE(
        (SELECT m.time FROM messages m WHERE m.conversation = cursors.conversation ORDER BY m.seq DESC LIMIT 1), 0)
    WHERE conversation > 'h';

CREATE INDEX cursors_active ON cursors (user, active, conversation);

-- The groups that a user is in, without those that it left.
CREATE INDEX members_present ON members (user, left_seq);

DROP INDEX members_user {on} members;
