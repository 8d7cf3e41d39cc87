-- The schema of a new database on a MySQL or MariaDB server, that of SQLite at its version 11.
--
-- Tables and columns that an existing query knows keep their names and types; spans are seconds
-- with three digits, instants are UTC with microseconds. What is ours has tables of its own, named
-- ringtap_. rowid keeps the order of rows of which a call has several. A table with `by` is
-- partitioned by the day of that column, which is therefore part of every key that is unique.

CREATE TABLE IF NOT EXISTS cdr (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, callend datetime(6) NOT NULL,
    duration decimal(12,3), connect_duration decimal(12,3), progress_time decimal(12,3),
    first_rtp_time decimal(12,3), post_bye_delay decimal(12,3), caller varchar(255),
    caller_domain varchar(255), caller_reverse varchar(255), callername varchar(255),
    callername_reverse varchar(255), called varchar(255), called_domain varchar(255),
    called_reverse varchar(255), sipcallerip varbinary(16), sipcallerport smallint unsigned,
    sipcalledip varbinary(16), sipcalledport smallint unsigned, whohanged varchar(6),
    bye tinyint unsigned, lastSIPresponse_id mediumint unsigned,
    lastSIPresponseNum smallint unsigned, reason_sip_cause smallint unsigned,
    reason_sip_text_id mediumint unsigned, reason_q850_cause smallint unsigned,
    reason_q850_text_id mediumint unsigned, sighup tinyint, dscp int unsigned, a_index tinyint,
    b_index tinyint, a_payload int, b_payload int, a_saddr varbinary(16), b_saddr varbinary(16),
    a_received mediumint unsigned, b_received mediumint unsigned, a_lost mediumint unsigned,
    b_lost mediumint unsigned, a_reordered mediumint unsigned, b_reordered mediumint unsigned,
    a_ua_id int unsigned, b_ua_id int unsigned, a_avgjitter_mult10 mediumint unsigned,
    b_avgjitter_mult10 mediumint unsigned, a_maxjitter smallint unsigned,
    b_maxjitter smallint unsigned, a_sl1 mediumint unsigned, a_sl2 mediumint unsigned,
    a_sl3 mediumint unsigned, a_sl4 mediumint unsigned, a_sl5 mediumint unsigned,
    a_sl6 mediumint unsigned, a_sl7 mediumint unsigned, a_sl8 mediumint unsigned,
    a_sl9 mediumint unsigned, a_sl10 mediumint unsigned, a_d50 mediumint unsigned,
    a_d70 mediumint unsigned, a_d90 mediumint unsigned, a_d120 mediumint unsigned,
    a_d150 mediumint unsigned, a_d200 mediumint unsigned, a_d300 mediumint unsigned,
    b_sl1 mediumint unsigned, b_sl2 mediumint unsigned, b_sl3 mediumint unsigned,
    b_sl4 mediumint unsigned, b_sl5 mediumint unsigned, b_sl6 mediumint unsigned,
    b_sl7 mediumint unsigned, b_sl8 mediumint unsigned, b_sl9 mediumint unsigned,
    b_sl10 mediumint unsigned, b_d50 mediumint unsigned, b_d70 mediumint unsigned,
    b_d90 mediumint unsigned, b_d120 mediumint unsigned, b_d150 mediumint unsigned,
    b_d200 mediumint unsigned, b_d300 mediumint unsigned, a_mos_lqo_mult10 tinyint unsigned,
    b_mos_lqo_mult10 tinyint unsigned, a_mos_f1_min_mult10 tinyint unsigned,
    a_mos_f2_min_mult10 tinyint unsigned, a_mos_adapt_min_mult10 tinyint unsigned,
    a_mos_xr_min_mult10 tinyint unsigned, a_mos_silence_min_mult10 tinyint unsigned,
    b_mos_f1_min_mult10 tinyint unsigned, b_mos_f2_min_mult10 tinyint unsigned,
    b_mos_adapt_min_mult10 tinyint unsigned, b_mos_xr_min_mult10 tinyint unsigned,
    b_mos_silence_min_mult10 tinyint unsigned, a_mos_f1_mult10 tinyint unsigned,
    a_mos_f2_mult10 tinyint unsigned, a_mos_adapt_mult10 tinyint unsigned,
    a_mos_xr_mult10 tinyint unsigned, a_mos_silence_mult10 tinyint unsigned,
    b_mos_f1_mult10 tinyint unsigned, b_mos_f2_mult10 tinyint unsigned,
    b_mos_adapt_mult10 tinyint unsigned, b_mos_xr_mult10 tinyint unsigned,
    b_mos_silence_mult10 tinyint unsigned, a_rtcp_loss mediumint, a_rtcp_maxfr smallint unsigned,
    a_rtcp_avgfr_mult10 smallint unsigned, a_rtcp_maxjitter smallint unsigned,
    a_rtcp_avgjitter_mult10 smallint unsigned, a_rtcp_avgrtd_mult10 smallint unsigned,
    a_rtcp_maxrtd_mult10 smallint unsigned, b_rtcp_loss mediumint, b_rtcp_maxfr smallint unsigned,
    b_rtcp_avgfr_mult10 smallint unsigned, b_rtcp_maxjitter smallint unsigned,
    b_rtcp_avgjitter_mult10 smallint unsigned, b_rtcp_avgrtd_mult10 smallint unsigned,
    b_rtcp_maxrtd_mult10 smallint unsigned, a_last_rtp_from_end smallint,
    b_last_rtp_from_end smallint, a_rtcp_fraclost_pktcount int unsigned,
    b_rtcp_fraclost_pktcount int unsigned, a_rtp_ptime tinyint unsigned,
    b_rtp_ptime tinyint unsigned, payload int, jitter_mult10 mediumint unsigned,
    mos_min_mult10 tinyint unsigned, a_mos_min_mult10 tinyint unsigned,
    b_mos_min_mult10 tinyint unsigned, packet_loss_perc_mult1000 mediumint unsigned,
    a_packet_loss_perc_mult1000 mediumint unsigned, b_packet_loss_perc_mult1000 mediumint unsigned,
    delay_sum mediumint unsigned, a_delay_sum mediumint unsigned, b_delay_sum mediumint unsigned,
    delay_avg_mult100 mediumint unsigned, a_delay_avg_mult100 mediumint unsigned,
    b_delay_avg_mult100 mediumint unsigned, delay_cnt mediumint unsigned,
    a_delay_cnt mediumint unsigned, b_delay_cnt mediumint unsigned,
    rtcp_avgfr_mult10 smallint unsigned, rtcp_avgjitter_mult10 smallint unsigned,
    lost mediumint unsigned, caller_clipping_div3 smallint unsigned,
    called_clipping_div3 smallint unsigned, caller_silence tinyint unsigned,
    called_silence tinyint unsigned, caller_silence_end smallint unsigned,
    called_silence_end smallint unsigned, response_time_100 smallint unsigned,
    response_time_xxx smallint unsigned, max_retransmission_invite tinyint unsigned,
    ttl_min tinyint unsigned, ttl_max tinyint unsigned, ttl_avg_mult10 smallint unsigned,
    a_ttl_min tinyint unsigned, a_ttl_max tinyint unsigned, a_ttl_avg_mult10 smallint unsigned,
    b_ttl_min tinyint unsigned, b_ttl_max tinyint unsigned, b_ttl_avg_mult10 smallint unsigned,
    flags bigint, vlan smallint, id_sensor smallint unsigned,
    price_operator_mult1000000 bigint unsigned, price_operator_currency_id tinyint unsigned,
    price_customer_mult1000000 bigint unsigned, price_customer_currency_id tinyint unsigned,
    PRIMARY KEY (ID, calldate), KEY cdr_calldate (calldate), KEY cdr_caller (caller),
    KEY cdr_called (called), KEY cdr_sipcallerip (sipcallerip), KEY cdr_sipcalledip (sipcalledip)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_next (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, custom_header1 varchar(255),
    fbasename varchar(255), digest_username varchar(255), match_header varchar(128),
    GeoPosition varchar(255), hold varchar(1024), spool_index tinyint unsigned,
    PRIMARY KEY (cdr_ID, calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_rtp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, saddr varbinary(16),
    sport smallint unsigned, daddr varbinary(16), dport smallint unsigned, ssrc int unsigned,
    received mediumint unsigned, loss mediumint unsigned, firsttime double,
    payload smallint unsigned, maxjitter_mult10 smallint unsigned, "index" tinyint unsigned,
    sdp_ptime tinyint unsigned, rtp_ptime tinyint unsigned, flags bigint unsigned, duration double,
    ttl_min tinyint unsigned, ttl_max tinyint unsigned, ttl_avg_mult10 smallint unsigned,
    PRIMARY KEY (cdr_ID, calldate, "index")
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_dtmf (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, daddr varbinary(16),
    saddr varbinary(16), firsttime double, dtmf char(1), type tinyint unsigned,
    rowid bigint unsigned NOT NULL AUTO_INCREMENT, PRIMARY KEY (rowid, calldate),
    KEY cdr_dtmf_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_sip_response (
    id mediumint unsigned NOT NULL AUTO_INCREMENT, lastSIPresponse varchar(255), PRIMARY KEY (id),
    UNIQUE KEY cdr_sip_response_text (lastSIPresponse)
);

CREATE TABLE IF NOT EXISTS cdr_ua (
    id int unsigned NOT NULL AUTO_INCREMENT, ua varchar(512), PRIMARY KEY (id),
    UNIQUE KEY cdr_ua_text (ua)
);

CREATE TABLE IF NOT EXISTS cdr_reason (
    id mediumint unsigned NOT NULL AUTO_INCREMENT, type tinyint, reason varchar(255),
    PRIMARY KEY (id), UNIQUE KEY cdr_reason_text (type, reason)
);

CREATE TABLE IF NOT EXISTS sensors (
    id_sensor bigint NOT NULL, name varchar(256), host varchar(255), port int,
    timezone_name varchar(64), timezone_offset int, timezone_save_at datetime(6),
    PRIMARY KEY (id_sensor)
);

CREATE TABLE IF NOT EXISTS system (
    id bigint NOT NULL AUTO_INCREMENT, type varchar(64), cdate date, cdatetime datetime(6),
    content text, PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS ringtap_cdr (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, calldate_us bigint NOT NULL,
    callend_us bigint NOT NULL, callid varchar(4096) NOT NULL, call_key bigint NOT NULL,
    instance bigint NOT NULL, mos_min double, tcp bigint NOT NULL, sip_messages bigint NOT NULL,
    ladder_dropped bigint NOT NULL, media_marks bigint NOT NULL DEFAULT 0, malformed varchar(255),
    PRIMARY KEY (cdr_ID, calldate), KEY ringtap_cdr_callid (callid(255)),
    KEY ringtap_cdr_call_key (call_key, calldate_us)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_rtp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, "index" bigint NOT NULL,
    src varbinary(16) NOT NULL, sport bigint NOT NULL, dst varbinary(16) NOT NULL,
    dport bigint NOT NULL, side bigint, ssrc bigint NOT NULL, payload bigint NOT NULL,
    codec varchar(255) COLLATE utf8mb4_general_ci, clock_rate bigint,
    clock_inferred bigint NOT NULL, first_us bigint NOT NULL, last_us bigint NOT NULL,
    received bigint NOT NULL, lost bigint NOT NULL, reordered bigint NOT NULL,
    duplicate bigint NOT NULL, jitter_ms_avg double, jitter_ms_max double, sl varchar(255),
    d varchar(255), mos_f1 double, mos_f2 double, mos_adapt double, mos_f1_min double,
    mos_f2_min double, mos_adapt_min double, mos_min double, rtcp_loss bigint, rtcp_maxfr bigint,
    rtcp_avgfr double, rtcp_maxjitter_ms double, rtcp_avgjitter_ms double, rtcp_maxrtd_ms double,
    rtcp_avgrtd_ms double, rtcp_fraclost_pktcount bigint, sdp_ptime_ms bigint, rtp_ptime_ms bigint,
    ttl_min bigint, ttl_max bigint, ttl_avg double, flags bigint NOT NULL,
    spool_key bigint NOT NULL, PRIMARY KEY (cdr_ID, calldate, "index")
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_stream (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, id_sensor bigint,
    src varbinary(16) NOT NULL, sport bigint NOT NULL, dst varbinary(16) NOT NULL,
    dport bigint NOT NULL, side bigint, ssrc bigint NOT NULL, payload bigint NOT NULL,
    codec varchar(255) COLLATE utf8mb4_general_ci, clock_rate bigint,
    clock_inferred bigint NOT NULL, first_us bigint NOT NULL, last_us bigint NOT NULL,
    received bigint NOT NULL, lost bigint NOT NULL, reordered bigint NOT NULL,
    duplicate bigint NOT NULL, jitter_ms_avg double, jitter_ms_max double, sl varchar(255),
    d varchar(255), mos_f1 double, mos_f2 double, mos_adapt double, mos_f1_min double,
    mos_f2_min double, mos_adapt_min double, mos_min double, rtcp_loss bigint, rtcp_maxfr bigint,
    rtcp_avgfr double, rtcp_maxjitter_ms double, rtcp_avgjitter_ms double, rtcp_maxrtd_ms double,
    rtcp_avgrtd_ms double, rtcp_fraclost_pktcount bigint, sdp_ptime_ms bigint, rtp_ptime_ms bigint,
    ttl_min bigint, ttl_max bigint, ttl_avg double, flags bigint NOT NULL,
    spool_key bigint NOT NULL, PRIMARY KEY (ID, calldate), KEY ringtap_stream_calldate (calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_ladder (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, steps mediumtext NOT NULL,
    PRIMARY KEY (cdr_ID, calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_dialog (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, ringing_time decimal(12,3),
    setup_time decimal(12,3), srd decimal(12,3), srd_failed decimal(12,3), sdd decimal(12,3),
    sdt decimal(12,3), sdt_failed decimal(12,3), reinvites bigint NOT NULL,
    updates bigint NOT NULL, pracks bigint NOT NULL, challenges bigint NOT NULL,
    glares bigint NOT NULL, requests_again bigint NOT NULL, responses_again bigint NOT NULL,
    session_expires bigint, session_refresher varchar(6), session_refreshes bigint,
    session_missed bigint, session_ended_call bigint, dialled varchar(255),
    diverted_from varchar(255), redirected_to varchar(255), marks varchar(255),
    PRIMARY KEY (cdr_ID, calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_branch (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, "index" bigint NOT NULL,
    tag varchar(255), cseq bigint NOT NULL, addr varbinary(16) NOT NULL, port bigint NOT NULL,
    called varchar(255), called_domain varchar(255), ua varchar(512), first_us bigint NOT NULL,
    ringing_us bigint, answered_us bigint, ended_us bigint, bye bigint NOT NULL,
    response_num bigint NOT NULL, response varchar(255), reason_sip_cause bigint,
    reason_sip_text varchar(255), reason_q850_cause bigint, reason_q850_text varchar(255),
    won bigint NOT NULL, PRIMARY KEY (cdr_ID, calldate, "index")
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_transfer (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, "index" bigint NOT NULL,
    at_us bigint NOT NULL, "by" bigint NOT NULL, refer_to varchar(512), number varchar(255),
    attended bigint NOT NULL, status bigint, result bigint, PRIMARY KEY (cdr_ID, calldate, "index")
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_next_branches (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, caller varchar(255),
    caller_domain varchar(255), caller_reverse varchar(255), callername varchar(255),
    callername_reverse varchar(255), called varchar(255), called_domain varchar(255),
    called_reverse varchar(255), sipcallerip varbinary(16), sipcallerport smallint unsigned,
    sipcalledip varbinary(16), sipcalledport smallint unsigned,
    sipcallerip_country_code varchar(5), sipcalledip_country_code varchar(5),
    caller_number_country_code varchar(5), called_number_country_code varchar(5),
    proxyip_1 varbinary(16), proxyip_2 varbinary(16), proxyip_3 varbinary(16),
    bye tinyint unsigned, lastSIPresponse_id mediumint unsigned,
    lastSIPresponseNum smallint unsigned, reason_sip_cause smallint unsigned,
    reason_sip_text_id mediumint unsigned, reason_q850_cause smallint unsigned,
    reason_q850_text_id mediumint unsigned, a_ua_id int unsigned, b_ua_id int unsigned,
    call_id varchar(255), fbasename varchar(255), custom_header1 varchar(255),
    match_header varchar(128), rowid bigint unsigned NOT NULL AUTO_INCREMENT,
    PRIMARY KEY (rowid, calldate), KEY cdr_next_branches_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_proxy (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, dst varbinary(16),
    rowid bigint unsigned NOT NULL AUTO_INCREMENT, PRIMARY KEY (rowid, calldate),
    KEY cdr_proxy_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_sdp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, ip varbinary(16),
    port smallint unsigned, is_caller tinyint unsigned, ptime tinyint unsigned,
    rowid bigint unsigned NOT NULL AUTO_INCREMENT, PRIMARY KEY (rowid, calldate),
    KEY cdr_sdp_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_siphistory (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, time bigint unsigned,
    SIPrequest_id mediumint unsigned, SIPresponse_id mediumint unsigned,
    SIPresponseNum smallint unsigned, rowid bigint unsigned NOT NULL AUTO_INCREMENT,
    PRIMARY KEY (rowid, calldate), KEY cdr_siphistory_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_sipresp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL,
    SIPresponse_id mediumint unsigned, SIPresponseNum smallint unsigned,
    rowid bigint unsigned NOT NULL AUTO_INCREMENT, PRIMARY KEY (rowid, calldate),
    KEY cdr_sipresp_cdr (cdr_ID)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_sip_request (
    id mediumint unsigned NOT NULL AUTO_INCREMENT, request varchar(255), PRIMARY KEY (id),
    UNIQUE KEY cdr_sip_request_text (request)
);

CREATE TABLE IF NOT EXISTS ringtap_asserted (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, caller varchar(255),
    called varchar(255), PRIMARY KEY (cdr_ID, calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_legs (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, leg_group bigint,
    session_id varchar(255), replaces varchar(512), PRIMARY KEY (cdr_ID, calldate),
    KEY ringtap_legs_group (leg_group)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_leg (
    cdr_ID bigint unsigned NOT NULL, value bigint NOT NULL, calldate datetime(6) NOT NULL,
    calldate_us bigint NOT NULL, PRIMARY KEY (cdr_ID, calldate, value),
    KEY ringtap_leg_value (value, calldate_us)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_quality (
    ID bigint unsigned NOT NULL, "index" bigint NOT NULL, calldate datetime(6) NOT NULL,
    lost_sensor bigint NOT NULL, lost_mirror bigint NOT NULL, evidence mediumtext,
    encryption bigint NOT NULL, gaps bigint NOT NULL, stray bigint NOT NULL,
    codec_changes bigint NOT NULL, dscp bigint NOT NULL, mos_scale varchar(255),
    mos_figures varchar(255), r_f1 double, path_ms double, half_trip_ms double,
    sender_reports bigint NOT NULL, byes bigint NOT NULL, xr_blocks bigint, xr_mos_avg double,
    xr_mos_min double, xr_r_factor bigint, xr_loss_rate bigint, xr_discard_rate bigint,
    xr_round_trip_ms bigint, xr_end_system_ms bigint, interval_ms bigint NOT NULL,
    course mediumtext, PRIMARY KEY (ID, calldate, "index")
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_vq (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, ts_us bigint NOT NULL,
    id_sensor bigint, call_key bigint NOT NULL, callid varchar(4096) NOT NULL, kind varchar(255),
    reporter varbinary(16), local_id varchar(255), remote_id varchar(255), codec varchar(255),
    local_loss_percent double, local_discard_percent double, local_round_trip_ms double,
    local_end_system_ms double, local_buffer_ms double, local_jitter_ms double, local_r_lq double,
    local_r_cq double, local_mos_lq double, local_mos_cq double, remote_loss_percent double,
    remote_discard_percent double, remote_round_trip_ms double, remote_end_system_ms double,
    remote_buffer_ms double, remote_jitter_ms double, remote_r_lq double, remote_r_cq double,
    remote_mos_lq double, remote_mos_cq double, PRIMARY KEY (ID, calldate),
    KEY ringtap_vq_call (call_key), KEY ringtap_vq_calldate (calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_log (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, ts_us bigint NOT NULL,
    id_sensor bigint, call_key bigint NOT NULL, callid varchar(4096) NOT NULL,
    reporter varbinary(16), agent bigint, text mediumtext NOT NULL, PRIMARY KEY (ID, calldate),
    KEY ringtap_log_call (call_key), KEY ringtap_log_calldate (calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS message (
    ID bigint unsigned NOT NULL, id_contenttype int unsigned NOT NULL,
    calldate datetime(6) NOT NULL, caller varchar(255), caller_domain varchar(255),
    caller_reverse varchar(255), callername varchar(255), callername_reverse varchar(255),
    called varchar(255), called_domain varchar(255), called_reverse varchar(255),
    sipcallerip varbinary(16), sipcalledip varbinary(16), bye tinyint unsigned,
    lastSIPresponse_id mediumint unsigned, lastSIPresponseNum smallint unsigned,
    id_sensor smallint unsigned, vlan smallint, a_ua_id int unsigned, b_ua_id int unsigned,
    fbasename varchar(255), message mediumtext, content_length mediumint,
    response_time smallint unsigned, spool_index tinyint unsigned, GeoPosition varchar(255),
    PRIMARY KEY (ID, calldate), KEY message_calldate (calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS contenttype (
    id mediumint unsigned NOT NULL AUTO_INCREMENT, contenttype varchar(255), PRIMARY KEY (id),
    UNIQUE KEY contenttype_text (contenttype)
);

CREATE TABLE IF NOT EXISTS sip_msg (
    ID bigint unsigned NOT NULL, time datetime(6) NOT NULL, type tinyint unsigned NOT NULL,
    ip_src varbinary(16), ip_dst varbinary(16), ip_src_country_code varchar(5),
    ip_dst_country_code varchar(5), port_src smallint unsigned, port_dst smallint unsigned,
    number_src varchar(255), number_dst varchar(255), number_src_country_code varchar(5),
    number_dst_country_code varchar(5), domain_src varchar(255), domain_dst varchar(255),
    ua_src_id int unsigned, ua_dst_id int unsigned, callername varchar(255), callid varchar(255),
    cseq int unsigned, request_id_content_type mediumint unsigned,
    request_content_length mediumint unsigned, request_content mediumtext,
    response_id_content_type mediumint unsigned, response_content_length mediumint,
    response_content mediumtext, response_number smallint unsigned, response_id mediumint unsigned,
    time_us bigint unsigned, request_repetition smallint unsigned, request_time datetime(6),
    request_time_us int unsigned, response_time datetime(6), response_time_us int unsigned,
    response_duration_ms int unsigned, qualify_ok tinyint unsigned, id_sensor smallint unsigned,
    vlan smallint, spool_index tinyint unsigned, flags bigint unsigned, PRIMARY KEY (ID, time),
    KEY sip_msg_time (time)
) /* by time */;

CREATE TABLE IF NOT EXISTS register_state (
    ID bigint unsigned NOT NULL, id_sensor int unsigned NOT NULL, fname bigint,
    created_at datetime(6) NOT NULL, sipcallerip varbinary(16), sipcalledip varbinary(16),
    sipcallerport smallint unsigned, sipcalledport smallint unsigned, from_num varchar(255),
    to_num varchar(255), contact_num varchar(255), contact_domain varchar(255),
    digestusername varchar(255), digestrealm varchar(255), expires mediumint,
    state tinyint unsigned, ua_id int unsigned, to_domain varchar(255), flags bigint unsigned,
    vlan smallint, spool_index tinyint unsigned, sipcallerip_country_code varchar(5),
    sipcalledip_country_code varchar(5), from_num_country_code varchar(5),
    to_num_country_code varchar(5), PRIMARY KEY (ID, created_at),
    KEY register_state_created_at (created_at)
) /* by created_at */;

CREATE TABLE IF NOT EXISTS register_failed (
    ID bigint unsigned NOT NULL, id_sensor int unsigned NOT NULL, fname bigint,
    counter int DEFAULT 0, created_at datetime(6) NOT NULL, sipcallerip varbinary(16),
    sipcalledip varbinary(16), sipcallerport smallint unsigned, sipcalledport smallint unsigned,
    from_num varchar(255), to_num varchar(255), contact_num varchar(255),
    contact_domain varchar(255), digestusername varchar(255), digestrealm varchar(255),
    ua_id int unsigned, to_domain varchar(255), flags bigint unsigned, vlan smallint,
    spool_index tinyint unsigned, sipcallerip_country_code varchar(5),
    sipcalledip_country_code varchar(5), from_num_country_code varchar(5),
    to_num_country_code varchar(5), PRIMARY KEY (ID, created_at),
    KEY register_failed_created_at (created_at)
) /* by created_at */;

CREATE TABLE IF NOT EXISTS ringtap_transaction (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, id_sensor bigint NOT NULL,
    call_key bigint NOT NULL, callid varchar(4096), method varchar(255) NOT NULL,
    cseq bigint NOT NULL, first_us bigint NOT NULL, last_us bigint NOT NULL, request_us bigint,
    response_us bigint, delay_us bigint, src varbinary(16), sport bigint, dst varbinary(16),
    dport bigint, caller varchar(255), caller_domain varchar(255), callername varchar(255),
    called varchar(255), called_domain varchar(255), calledname varchar(255), ua_src varchar(512),
    ua_dst varchar(512), response_num bigint, response varchar(255), repetition bigint NOT NULL,
    messages bigint NOT NULL, request_type varchar(255), request_length bigint NOT NULL,
    response_type varchar(255), response_length bigint NOT NULL, content mediumtext,
    event varchar(255), digest_username varchar(255), flags bigint NOT NULL, vlan bigint,
    repeats bigint NOT NULL, malformed varchar(255), PRIMARY KEY (ID, calldate),
    KEY ringtap_transaction_calldate (calldate), KEY ringtap_transaction_callid (callid(255))
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_register (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, id_sensor bigint NOT NULL,
    register_key bigint NOT NULL, call_key bigint NOT NULL, callid varchar(4096),
    created_us bigint NOT NULL, state bigint NOT NULL, counter bigint NOT NULL, src varbinary(16),
    sport bigint, dst varbinary(16), dport bigint, from_num varchar(255), from_domain varchar(255),
    to_num varchar(255), to_domain varchar(255), contact_num varchar(255),
    contact_domain varchar(255), digest_username varchar(255), digest_realm varchar(255),
    ua varchar(512), expires_asked bigint, expires bigint, response_num bigint,
    response varchar(255), rrd_us bigint, repetition bigint NOT NULL, refreshes bigint NOT NULL,
    flags bigint NOT NULL, vlan bigint, malformed varchar(255), PRIMARY KEY (ID, calldate),
    KEY ringtap_register_calldate (calldate), KEY ringtap_register_key (register_key)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS cdr_custom_headers (
    id mediumint unsigned NOT NULL, header_field varchar(255) COLLATE utf8mb4_general_ci NOT NULL,
    dynamic_table int, dynamic_column int, PRIMARY KEY (id),
    UNIQUE KEY cdr_custom_headers_text (header_field)
);

CREATE TABLE IF NOT EXISTS cdr_next_1 (
    cdr_ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, custom_header_1 varchar(255),
    custom_header_2 varchar(255), custom_header_3 varchar(255), custom_header_4 varchar(255),
    custom_header_5 varchar(255), custom_header_6 varchar(255), custom_header_7 varchar(255),
    custom_header_8 varchar(255), custom_header_9 varchar(255), custom_header_10 varchar(255),
    custom_header_11 varchar(255), custom_header_12 varchar(255), custom_header_13 varchar(255),
    custom_header_14 varchar(255), custom_header_15 varchar(255), custom_header_16 varchar(255),
    PRIMARY KEY (cdr_ID, calldate)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_header (
    cdr_ID bigint unsigned NOT NULL, header bigint NOT NULL, value varchar(1024) NOT NULL,
    calldate datetime(6) NOT NULL, PRIMARY KEY (cdr_ID, calldate, header),
    KEY ringtap_header_value (header, value(255))
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_message_header (
    ID bigint unsigned NOT NULL, header bigint NOT NULL, value varchar(1024) NOT NULL,
    calldate datetime(6) NOT NULL, PRIMARY KEY (ID, calldate, header)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_after (
    ID bigint unsigned NOT NULL, calldate datetime(6) NOT NULL, call_key bigint NOT NULL,
    instance bigint NOT NULL, callid varchar(4096) NOT NULL, PRIMARY KEY (ID, calldate),
    KEY ringtap_after_call (call_key, instance)
) /* by calldate */;

CREATE TABLE IF NOT EXISTS ringtap_tunnel (
    ID bigint unsigned NOT NULL, "index" bigint NOT NULL, calldate datetime(6) NOT NULL,
    type varchar(32) NOT NULL, number bigint NOT NULL, src varbinary(16), dst varbinary(16),
    PRIMARY KEY (ID, calldate, "index")
) /* by calldate */;
