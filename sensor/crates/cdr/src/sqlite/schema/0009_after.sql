-- Streams without a call that began where one had just ended, and which that was.

CREATE TABLE ringtap_after (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, call_key integer NOT NULL,
    instance integer NOT NULL, callid text NOT NULL
);
CREATE INDEX ringtap_after_call ON ringtap_after (call_key, instance);
