import { answerOf, isTaken, jsonOf, refusal, sent, textAt, type RefusalRules } from '../provider-answer.js';
import type { SendContent, SendRequest, SendResult } from '../send-adapter.js';
import { apiUrl, bearer, jsonCall, readMedia, required, withoutPlus } from '../send-call.js';
import type { SendHttp } from '../send-http.js';
import { signToken } from '../signed-token.js';
import { TokenCache } from '../token-cache.js';

const API = 'https://api.nexmo.com';
const TOKEN_LIFE_SECONDS = 900;
/** A token that expires under way is of no use. */
const TOKEN_MARGIN_MS = 60_000;
const TOKENS_MAX = 1_000;
const MEDIA_MAX = 1;
const RULES: RefusalRules = { provider: 'Vonage' };

interface Application {
  readonly applicationId: string;
  readonly privateKey: string;
}

/** Signing takes longer than everything else here. */
const tokens = new TokenCache(TOKENS_MAX);

/** Source: Vonage, "Messages API reference" (v1) and "Working with JWTs", read 2026-11. */
export async function sendMessage(
  http: SendHttp,
  request: SendRequest,
  application: Application,
): Promise<SendResult> {
  const body = {
    ...contentOf(request.content),
    from: withoutPlus(required(request.from, 'from')),
    to: withoutPlus(required(request.to, 'to')),
    client_ref: request.messageId,
    ...(request.statusCallbackUrl !== '' && {
      webhook_url: request.statusCallbackUrl,
      webhook_version: 'v1',
    }),
  };
  const nowMs = http.nowMs();
  const token = await tokens.get(application, nowMs, async () => tokenOf(application, nowMs));
  const url = apiUrl(request.apiBaseUrl, API, '/v1/messages');
  const answer = answerOf(await http.send(jsonCall(url, bearer(token), body)));
  const json = jsonOf(answer);
  if (isTaken(answer)) return sent(textAt(json, 'message_uuid'), 'accepted');
  // Errors are named by the end of a URL.
  return refusal(answer, textAt(json, 'type').split('#', 2)[1] ?? '', RULES);
}

function tokenOf({ applicationId, privateKey }: Application, nowMs: number) {
  const value = signToken({ application_id: applicationId }, privateKey, nowMs, TOKEN_LIFE_SECONDS);
  return { value, usableUntilMs: nowMs + TOKEN_LIFE_SECONDS * 1_000 - TOKEN_MARGIN_MS };
}

function contentOf(content: SendContent): Record<string, unknown> {
  const { text } = content;
  const [url] = readMedia(content, MEDIA_MAX);
  if (url === undefined) return { channel: 'sms', message_type: 'text', text: required(text, 'text') };
  return { channel: 'mms', message_type: 'image', image: { url, ...(text !== '' && { caption: text }) } };
}
