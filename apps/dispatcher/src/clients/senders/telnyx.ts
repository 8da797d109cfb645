import { z } from 'zod';
import {
  answerOf,
  isTaken,
  jsonOf,
  listAt,
  refusal,
  sent,
  textAt,
  type RefusalRules,
} from './provider-answer.js';
import type { FindQuery, FindResult, SendAdapter, SendRequest, SendResult } from './send-adapter.js';
import { apiUrl, bearer, getCall, jsonCall, readCredentials, readMedia, required } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';

const API = 'https://api.telnyx.com';
const MEDIA_MAX = 10;
const PAGE_SIZE = 20;
const PAGES_MAX = 5;
const DAY_LENGTH = 'YYYY-MM-DD'.length;
const MS_PER_DAY = 86_400_000;
const PROFILE_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Source: Telnyx, "Messaging error code reference", read 2026-11. */
const RULES: RefusalRules = {
  provider: 'Telnyx',
  // Blocked because the recipient has sent STOP.
  optOut: new Set(['40300']),
  // The queue of this sender is full.
  retryable: new Set(['40318']),
};

const credentials = z.object({ accessToken: z.string().min(1) });

/** Source: Telnyx, "Send a message" and "Search detail records", read 2026-11. */
export const telnyx: SendAdapter = {
  provider: 'telnyx',
  channels: ['sms'],
  timeoutMs: SEND_TIMEOUT_MS,
  // Detail records are written for reports, not for questions of the moment.
  visibilityLagMs: 3_600_000,
  ratePerSecond: 40,
  // Source: Telnyx, "SMS Opt-Out Keywords and Stop Words" and "Advanced Opt-In/Out Management", read 2026-11.
  repliesByItself: ['opt_out', 'help'],

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const { accessToken } = readCredentials(credentials, request.credentials);
    const url = apiUrl(request.apiBaseUrl, API, '/v2/messages');
    const answer = answerOf(await http.send(jsonCall(url, bearer(accessToken), bodyOf(request))));
    const json = jsonOf(answer);
    if (!isTaken(answer)) return refusal(answer, textAt(json, 'errors', 0, 'code'), RULES);
    return sent(textAt(json, 'data', 'id'), 'queued');
  },

  /** Our reference is the tag of the message; its records are read by recipient and day. */
  async find(http: SendHttp, query: FindQuery): Promise<FindResult> {
    const { accessToken } = readCredentials(credentials, query.credentials);
    for (let page = 1; page <= PAGES_MAX; page++) {
      const filter = new URLSearchParams({
        'filter[record_type]': 'messaging',
        'filter[direction]': 'outbound',
        'filter[cld]': query.to,
        'filter[created_at][gte]': new Date(query.sentAtMs - MS_PER_DAY).toISOString().slice(0, DAY_LENGTH),
        'page[number]': String(page),
        'page[size]': String(PAGE_SIZE),
        sort: '-created_at',
      });
      const url = apiUrl(query.apiBaseUrl, API, `/v2/detail_records?${filter.toString()}`);
      const answer = answerOf(await http.ask(getCall(url, bearer(accessToken))));
      const json = jsonOf(answer);
      const pages = Number.parseInt(textAt(json, 'meta', 'total_pages'), 10);
      if (!isTaken(answer) || !Number.isInteger(pages))
        return { kind: 'unknown', detail: `Telnyx answered HTTP ${answer.status}` };
      const record = listAt(json, 'data').find((each) => hasTag(each, query.messageId));
      const id = textAt(record, 'uuid');
      if (id !== '') return { kind: 'found', providerMessageId: id, state: textAt(record, 'status') };
      if (page >= pages) return { kind: 'not_found' };
    }
    return { kind: 'unknown', detail: 'too many messages to this number' };
  },
};

function bodyOf({ to, from, content, messageId, statusCallbackUrl }: SendRequest) {
  const { text } = content;
  const mediaUrls = readMedia(content, MEDIA_MAX);
  return {
    ...(PROFILE_ID.test(required(from, 'from')) ? { messaging_profile_id: from } : { from }),
    to: required(to, 'to'),
    ...((text !== '' || mediaUrls.length === 0) && { text: required(text, 'text') }),
    ...(mediaUrls.length > 0 && { media_urls: mediaUrls }),
    ...(statusCallbackUrl !== '' && { webhook_url: statusCallbackUrl }),
    tags: [messageId],
  };
}

const hasTag = (record: unknown, tag: string): boolean =>
  [...textAt(record, 'tags').split(','), ...listAt(record, 'tags')].includes(tag);
