-- Lines of logs that agents tell, by the Call-ID that they name.

CREATE TABLE ringtap_log (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, ts_us integer NOT NULL,
    id_sensor integer, call_key integer NOT NULL, callid text NOT NULL, reporter blob,
    agent integer, text text NOT NULL
);

CREATE INDEX ringtap_log_call ON ringtap_log (call_key);
CREATE INDEX ringtap_log_calldate ON ringtap_log (calldate);
