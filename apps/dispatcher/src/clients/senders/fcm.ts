import { z } from 'zod';
import {
  answerOf,
  invalid,
  isTaken,
  jsonOf,
  listAt,
  refusal,
  SendEnded,
  sent,
  textAt,
  type RefusalRules,
} from './provider-answer.js';
import type { SendAdapter, SendRequest, SendResult } from './send-adapter.js';
import { apiUrl, bearer, formCall, jsonCall, readCredentials, readMedia, required } from './send-call.js';
import { SEND_TIMEOUT_MS, type SendHttp } from './send-http.js';
import { signToken } from './signed-token.js';
import { type AccessToken, TokenCache } from './token-cache.js';

const API = 'https://fcm.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ASSERTION_LIFE_SECONDS = 3_600;
/** A token that expires under way is of no use. */
const TOKEN_MARGIN_MS = 60_000;
const TOKENS_MAX = 1_000;
const MEDIA_MAX = 1;
const UNAUTHORIZED = 401;

/** Source: Firebase, "ErrorCode" of FCM HTTP v1, read 2026-11. */
const RULES: RefusalRules = {
  provider: 'FCM',
  // The app was removed, or its token is out of use.
  hardBounce: new Set(['UNREGISTERED']),
  // Over a quota; the server is overloaded and asks to be called again; our access token was not taken.
  retryable: new Set(['QUOTA_EXCEEDED', 'UNAVAILABLE', 'UNAUTHENTICATED']),
};

/** The service account's JSON, as Google hands it out. */
const credentials = z.object({
  project_id: z.string().regex(/^[a-z0-9:.-]{1,64}$/),
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  token_uri: z.url({ protocol: /^https?$/ }),
});
type Account = z.output<typeof credentials>;

const tokens = new TokenCache(TOKENS_MAX);

/**
 * Firebase Cloud Messaging, HTTP v1. It cannot be asked for a message, and reports no states by callback.
 * Source: Firebase, "Method: projects.messages.send", read 2026-11.
 */
export const fcm: SendAdapter = {
  provider: 'fcm',
  channels: ['push'],
  timeoutMs: SEND_TIMEOUT_MS,
  visibilityLagMs: 0,
  ratePerSecond: 500,

  async send(http: SendHttp, request: SendRequest): Promise<SendResult> {
    const account = readCredentials(credentials, request.credentials);
    const body = { message: messageOf(request) };
    const token = await tokens.get(account, http.nowMs(), () => fetchToken(http, account));
    const url = apiUrl(request.apiBaseUrl, API, `/v1/projects/${account.project_id}/messages:send`);
    const answer = answerOf(await http.send(jsonCall(url, bearer(token), body)));
    const json = jsonOf(answer);
    if (isTaken(answer)) return sent(textAt(json, 'name'), 'accepted');
    const code = codeOf(json);
    if (answer.status === UNAUTHORIZED && code === 'UNAUTHENTICATED') tokens.forget(account);
    return refusal(answer, code, RULES);
  },
};

function messageOf({ to, content, messageId }: SendRequest) {
  const { title, text, data } = content;
  const [image] = readMedia(content, MEDIA_MAX);
  const isShown = title !== '' || text !== '';
  if (!isShown && Object.keys(data).length === 0)
    throw invalid('request', 'title, text and data are missing');
  return {
    token: required(to, 'to'),
    ...(isShown && {
      notification: {
        ...(title !== '' && { title }),
        ...(text !== '' && { body: text }),
        ...(image !== undefined && { image }),
      },
    }),
    // Our reference: FCM keeps none, the app can tell by it what it has seen.
    data: { ...data, posthorn_message_id: messageId },
  };
}

/** The finer code stands among the details, the canonical one above them. */
function codeOf(json: unknown): string {
  const finer = listAt(json, 'error', 'details').map((detail) => textAt(detail, 'errorCode'));
  return finer.find((code) => code !== '') ?? textAt(json, 'error', 'status');
}

/**
 * Trades a signed assertion for an access token.
 * @throws SendEnded: nothing was sent yet, whatever went wrong here.
 * Source: Google Identity, "Using OAuth 2.0 for server to server applications"; RFC 7523, section 2.1.
 */
async function fetchToken(http: SendHttp, account: Account): Promise<AccessToken> {
  const { client_email: issuer, private_key: key, token_uri: url } = account;
  const nowMs = http.nowMs();
  const claims = { iss: issuer, scope: SCOPE, aud: url };
  const assertion = signToken(claims, key, nowMs, ASSERTION_LIFE_SECONDS);
  const call = formCall(url, {}, new URLSearchParams({ grant_type: GRANT, assertion }));
  const outcome = await http.ask({ ...call, method: 'POST' });
  if (outcome.kind !== 'answer')
    throw new SendEnded({ kind: 'not_sent', detail: `no access token: ${outcome.detail}` });
  const { answer } = outcome;
  const json = jsonOf(answer);
  const value = textAt(json, 'access_token');
  const lifeMs = Number(textAt(json, 'expires_in')) * 1_000;
  if (isTaken(answer) && value !== '' && lifeMs > 0)
    return { value, usableUntilMs: nowMs + lifeMs - TOKEN_MARGIN_MS };
  const detail = `no access token: HTTP ${answer.status}`;
  if (answer.status >= 400 && answer.status < 500 && answer.retryAfterMs === undefined)
    throw invalid('credentials', detail);
  throw new SendEnded({
    kind: 'not_sent',
    detail,
    ...(answer.retryAfterMs !== undefined && { retryAfterMs: answer.retryAfterMs }),
  });
}
