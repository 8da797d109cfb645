import {
  answerOf,
  isTaken,
  jsonOf,
  listAt,
  refusal,
  sent,
  textAt,
  type RefusalRules,
} from '../provider-answer.js';
import type { SendRequest, SendResult } from '../send-adapter.js';
import { apiUrl, formCall, readMedia, required, withoutPlus } from '../send-call.js';
import type { SendHttp } from '../send-http.js';

const API = 'https://rest.nexmo.com';
const ACCEPTED = '0';
/** "An error has occurred in the platform whilst processing this message": it does not say how far it came. */
const INTERNAL_ERROR = '5';
/** Of the alphabet of GSM 03.38 with its extension; anything else has to be sent as Unicode. */
const GSM_TEXT =
  /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\[~\]|€\f]*$/;

/**
 * The words of the answer are not those of delivery receipts: 9 is a lack of credit here, and an opt-out there.
 * Source: Vonage, "SMS API errors", read 2026-11.
 */
const RULES: RefusalRules = {
  provider: 'Vonage',
  // Faster than the account may; more connections than it may have.
  retryable: new Set(['1', '10']),
};

/** Source: Vonage, "SMS API reference", read 2026-11. */
export async function sendSms(
  http: SendHttp,
  request: SendRequest,
  { apiKey, apiSecret }: { apiKey: string; apiSecret: string },
): Promise<SendResult> {
  const url = apiUrl(request.apiBaseUrl, API, '/sms/json');
  const fields = new URLSearchParams({
    api_key: apiKey,
    api_secret: apiSecret,
    ...fieldsOf(request),
  });
  const answer = answerOf(await http.send(formCall(url, {}, fields)));
  if (!isTaken(answer)) return refusal(answer, '', RULES);
  // One entry a part; a message of which one part was taken has left.
  const parts = listAt(jsonOf(answer), 'messages');
  const taken = parts.find((part) => textAt(part, 'status') === ACCEPTED);
  if (taken !== undefined) return sent(textAt(taken, 'message-id'), 'accepted');
  const code = textAt(parts[0], 'status');
  if (code === '' || code === INTERNAL_ERROR)
    return { kind: 'unknown', detail: `Vonage answered ${code === '' ? 'no status' : code}` };
  // Refusals come with 200.
  return refusal({ ...answer, status: 400 }, code, RULES);
}

function fieldsOf({ to, from, content, messageId, statusCallbackUrl }: SendRequest): Record<string, string> {
  readMedia(content, 0);
  const text = required(content.text, 'text');
  return {
    from: withoutPlus(required(from, 'from')),
    to: withoutPlus(required(to, 'to')),
    text,
    type: GSM_TEXT.test(text) ? 'text' : 'unicode',
    'client-ref': messageId,
    'status-report-req': '1',
    ...(statusCallbackUrl !== '' && { callback: statusCallbackUrl }),
  };
}
