import { answerOf, isTaken, jsonOf, listAt, textAt } from '../provider-answer.js';
import type { FindQuery, FindResult } from '../send-adapter.js';
import { apiUrl, basic, getCall, withoutPlus } from '../send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from '../send-http.js';

const API = 'https://api.nexmo.com';
/** How far the clock of Vonage may be from ours. */
const CLOCK_SKEW_MS = 60_000;

/**
 * Asks for the records of the recipient and the minutes around the send; our reference is among their fields.
 * The reports have to be bought: without them the answer is 401 or 403, and a callback has to tell.
 * Source: Vonage, "Reports API reference", read 2026-11.
 */
export async function findInReports(
  http: SendHttp,
  query: FindQuery,
  product: 'SMS' | 'MESSAGES',
  { apiKey, apiSecret }: { apiKey: string; apiSecret: string },
): Promise<FindResult> {
  const filter = new URLSearchParams({
    account_id: apiKey,
    product,
    direction: 'outbound',
    date_start: instant(query.sentAtMs - CLOCK_SKEW_MS),
    date_end: instant(query.sentAtMs + SEND_TIMEOUT_MS + CLOCK_SKEW_MS),
    to: withoutPlus(query.to),
  });
  const url = apiUrl(query.apiBaseUrl, API, `/v2/reports/records?${filter.toString()}`);
  const answer = answerOf(await http.ask(getCall(url, basic(apiKey, apiSecret))));
  const json = jsonOf(answer);
  if (!isTaken(answer) || textAt(json, 'request_status') !== 'SUCCESS')
    return { kind: 'unknown', detail: `Vonage answered HTTP ${answer.status}` };
  const record = listAt(json, 'records').find((each) => textAt(each, 'client_ref') === query.messageId);
  if (record !== undefined) {
    const id = textAt(record, 'message_id') || textAt(record, 'message_uuid');
    if (id === '') return { kind: 'unknown', detail: 'Vonage named no message' };
    return { kind: 'found', providerMessageId: id, state: textAt(record, 'status') };
  }
  // A page of some thousand records of one number and two minutes that has a next one is no answer.
  return textAt(json, 'cursor') === ''
    ? { kind: 'not_found' }
    : { kind: 'unknown', detail: 'too many messages to this number' };
}

const instant = (ms: number): string => new Date(ms).toISOString();
