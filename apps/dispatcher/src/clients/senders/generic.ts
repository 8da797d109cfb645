import { z } from 'zod';
import { answerOf, isTaken, jsonOf, refusal, sent, textAt, type RefusalRules } from './provider-answer.js';
import type { SendAdapter, SendRequest, SendResult, SendSignal } from './send-adapter.js';
import { jsonCall, readCredentials, required } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';

const HEADERS_MAX = 32;
/** The message itself, and what belongs to the connection. */
const RESERVED_HEADERS =
  /^(idempotency-key|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|content-.*)$/i;

const RULES: RefusalRules = { provider: 'The endpoint' };
const SIGNALS = new Set<string>(['opt_out', 'hard_bounce']);

const credentials = z.object({
  headers: z
    .record(z.string().regex(/^[\w!#$%&'*+.^`|~-]{1,64}$/), z.string().regex(/^[\t\x20-\x7e]{0,4096}$/))
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX)
    .default({}),
});

/**
 * Any endpoint that speaks our form: the message as JSON, posted to the source's `apiBaseUrl`, with its ID as
 * `Idempotency-Key`. The answer may name its own `id`, or refuse with `code` and `signal`.
 * Source: IETF draft "The Idempotency-Key HTTP header field", section 2, read 2026-11.
 */
export const generic: SendAdapter = {
  provider: 'generic',
  channels: ['sms', 'email', 'chat', 'push'],
  timeoutMs: SEND_TIMEOUT_MS,
  visibilityLagMs: 0,
  ratePerSecond: 50,

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const { headers } = readCredentials(credentials, request.credentials);
    const own = Object.entries(headers).filter(([name]) => !RESERVED_HEADERS.test(name));
    const call = jsonCall(
      required(request.apiBaseUrl, 'apiBaseUrl'),
      { ...Object.fromEntries(own), 'idempotency-key': request.messageId },
      bodyOf(request),
    );
    const answer = answerOf(await http.send(call));
    const json = jsonOf(answer);
    if (isTaken(answer)) return sent(textAt(json, 'id') || request.messageId, 'accepted');
    const result = refusal(answer, textAt(json, 'code'), RULES);
    const signal = textAt(json, 'signal');
    if (result.kind !== 'refused' || !SIGNALS.has(signal)) return result;
    return { ...result, signal: signal as SendSignal };
  },
};

const bodyOf = ({ messageId, channel, to, from, content, statusCallbackUrl }: SendRequest) => ({
  id: messageId,
  channel,
  to: required(to, 'to'),
  from,
  content,
  statusCallbackUrl,
});
