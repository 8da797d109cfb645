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
import { apiUrl, basic, formCall, getCall, readCredentials, readMedia, required } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';

const API = 'https://api.twilio.com';
/** In the query of a status callback's URL: Twilio keeps no reference of ours, and calls the URL as it was given. */
export const TWILIO_REFERENCE = 'posthorn-message';
const MEDIA_MAX = 10;
const PAGE_SIZE = 20;
const PAGES_MAX = 5;
/** How far Twilio's clock may be from ours. */
const CLOCK_SKEW_MS = 60_000;

/** Source: Twilio, error dictionary (21610, 21611, 63014), read 2026-11. */
const RULES: RefusalRules = {
  provider: 'Twilio',
  optOut: new Set(['21610', '63014']),
  // The queue of this sender is full.
  retryable: new Set(['21611']),
};

const credentials = z.object({
  accountSid: z.string().regex(/^AC[0-9a-f]{32}$/),
  authToken: z.string().min(1),
});

/** Source: Twilio, "Messages resource", read 2026-11. */
export const twilio: SendAdapter = {
  provider: 'twilio',
  channels: ['sms', 'chat'],
  timeoutMs: SEND_TIMEOUT_MS,
  visibilityLagMs: 300_000,
  // What a sender cannot take at once Twilio queues by itself.
  ratePerSecond: 50,
  // Not for a short code of its own. Source: Twilio, "Customizing HELP/STOP messages for SMS filtering", read 2026-11.
  repliesByItself: ['opt_out', 'help'],

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const account = readCredentials(credentials, request.credentials);
    const url = apiUrl(request.apiBaseUrl, API, `/2010-04-01/Accounts/${account.accountSid}/Messages.json`);
    const call = formCall(url, basic(account.accountSid, account.authToken), fieldsOf(request));
    const answer = answerOf(await http.send(call));
    const json = jsonOf(answer);
    if (!isTaken(answer)) return refusal(answer, textAt(json, 'code'), RULES);
    const status = textAt(json, 'status');
    return sent(textAt(json, 'sid'), status === 'accepted' || status === 'sent' ? status : 'queued');
  },

  /**
   * Looks for the one message that says the same to the same number since then. Finding none proves nothing:
   * Twilio may have changed the text, and has no reference of ours to ask for.
   */
  async find(http: SendHttp, query: FindQuery): Promise<FindResult> {
    const account = readCredentials(credentials, query.credentials);
    const base = apiUrl(query.apiBaseUrl, API, '');
    const filter = new URLSearchParams({ To: query.to, PageSize: String(PAGE_SIZE) });
    let path = `/2010-04-01/Accounts/${account.accountSid}/Messages.json?${filter.toString()}`;
    const found: { sid: string; status: string }[] = [];
    for (let page = 0; path !== ''; page++) {
      if (page === PAGES_MAX) return { kind: 'unknown', detail: 'too many messages to this number' };
      const call = getCall(`${base}${path}`, basic(account.accountSid, account.authToken));
      const answer = answerOf(await http.ask(call));
      const json = jsonOf(answer);
      if (!isTaken(answer) || json === undefined)
        return { kind: 'unknown', detail: `Twilio answered HTTP ${answer.status}` };
      const messages = listAt(json, 'messages');
      for (const message of messages)
        if (isLike(message, query))
          found.push({ sid: textAt(message, 'sid'), status: textAt(message, 'status') });
      const next = textAt(json, 'next_page_uri');
      // A path of the same API; newest first, so that what follows is older still.
      path = next.startsWith('/') && !isBefore(messages.at(-1), query) ? next : '';
    }
    const [only] = found;
    if (found.length === 1 && only!.sid !== '')
      return { kind: 'found', providerMessageId: only!.sid, state: only!.status };
    return { kind: 'unknown', detail: `${found.length} messages of Twilio may be this one` };
  },
};

function fieldsOf({ to, from, content, messageId, statusCallbackUrl }: SendRequest): URLSearchParams {
  const { text, template } = content;
  const mediaUrls = readMedia(content, MEDIA_MAX);
  const fields = new URLSearchParams({ To: required(to, 'to') });
  fields.set(required(from, 'from').startsWith('MG') ? 'MessagingServiceSid' : 'From', from);
  if (template === undefined) {
    if (text !== '' || mediaUrls.length === 0) fields.set('Body', required(text, 'text'));
  } else {
    fields.set('ContentSid', template.name);
    const variables = template.parameters.map((value, index) => [String(index + 1), value]);
    if (variables.length > 0) fields.set('ContentVariables', JSON.stringify(Object.fromEntries(variables)));
  }
  for (const url of mediaUrls) fields.append('MediaUrl', url);
  if (statusCallbackUrl !== '') {
    const url = new URL(statusCallbackUrl);
    url.searchParams.set(TWILIO_REFERENCE, messageId);
    fields.set('StatusCallback', url.href);
  }
  return fields;
}

const createdAtMs = (message: unknown): number => Date.parse(textAt(message, 'date_created'));

const isBefore = (message: unknown, { sentAtMs }: FindQuery): boolean =>
  createdAtMs(message) < sentAtMs - CLOCK_SKEW_MS;

function isLike(message: unknown, query: FindQuery): boolean {
  const atMs = createdAtMs(message);
  const isInTime =
    atMs >= query.sentAtMs - CLOCK_SKEW_MS && atMs <= query.sentAtMs + SEND_TIMEOUT_MS + CLOCK_SKEW_MS;
  const sender = query.from.startsWith('MG') ? 'messaging_service_sid' : 'from';
  return (
    isInTime &&
    textAt(message, 'direction').startsWith('outbound') &&
    textAt(message, sender) === query.from &&
    textAt(message, 'body').trim() === query.content.text.trim()
  );
}
