-- What endpoints say of a call's quality (RFC 6035), by the Call-ID that the report names.

CREATE TABLE ringtap_vq (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, ts_us integer NOT NULL,
    id_sensor integer, call_key integer NOT NULL, callid text NOT NULL, kind text, reporter blob,
    local_id text, remote_id text, codec text, local_loss_percent real,
    local_discard_percent real, local_round_trip_ms real, local_end_system_ms real,
    local_buffer_ms real, local_jitter_ms real, local_r_lq real, local_r_cq real,
    local_mos_lq real, local_mos_cq real, remote_loss_percent real, remote_discard_percent real,
    remote_round_trip_ms real, remote_end_system_ms real, remote_buffer_ms real,
    remote_jitter_ms real, remote_r_lq real, remote_r_cq real, remote_mos_lq real,
    remote_mos_cq real
);

CREATE INDEX ringtap_vq_call ON ringtap_vq (call_key);
CREATE INDEX ringtap_vq_calldate ON ringtap_vq (calldate);
