import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { webhookKey, webhookSignature } from '../wire/signatures.js';
import {
  type Accepted,
  bearerOf,
  type FakeReply,
  FakeProvider,
  type FakeRequest,
  isType,
  jsonFields,
  type Sending,
  text,
} from './fake-provider.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const ASSERTION_SECONDS_MAX = 3_600;
const TOKEN_SECONDS = 3_599;
const STATUS: Readonly<Record<string, number>> = {
  ...{ INVALID_ARGUMENT: 400, UNREGISTERED: 404, SENDER_ID_MISMATCH: 403, QUOTA_EXCEEDED: 429 },
  ...{ UNAVAILABLE: 503, INTERNAL: 500, THIRD_PARTY_AUTH_ERROR: 401 },
};
const RESERVED_DATA = /^(from|message_type|google\..*|gcm\..*)$/;

interface Message {
  readonly token?: string;
  readonly notification?: { readonly title?: string; readonly body?: string };
  readonly data?: Readonly<Record<string, unknown>>;
}

/** FCM HTTP v1, and the token endpoint before it. Source: Firebase, "projects.messages.send", read 2026-11. */
export class FakeFcm extends FakeProvider {
  readonly projectId = 'demo-project';
  /** Registration tokens of apps that are gone. */
  readonly unregistered = new Set<string>();
  /** Access tokens that were given out. */
  tokensGiven = 0;
  /** How often the token endpoint says no before it gives one, and with which status. */
  tokenFailures: number[] = [];
  private readonly tokens = new Set<string>();
  private readonly keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

  /** What Google hands out as the service account's JSON. */
  get serviceAccount(): Record<string, string> {
    return {
      type: 'service_account',
      project_id: this.projectId,
      private_key_id: 'a1b2c3',
      private_key: this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      client_email: `firebase-adminsdk@${this.projectId}.iam.gserviceaccount.com`,
      token_uri: `${this.url}/token`,
    };
  }

  /** Access tokens given until now are out of use. */
  revoke(): void {
    this.tokens.clear();
  }

  /** There is none: what became of a message only the app can tell. */
  callback(): Promise<number[]> {
    return Promise.resolve([]);
  }

  /**
   * What the app's server posts once the app has told it: nothing comes from FCM itself.
   * @param type `delivered` or `opened`. @param secret of the source. @param times how often, under one ID.
   */
  async report(
    message: Accepted,
    type: string,
    { url, secret }: { readonly url: string; readonly secret: string },
    times = 1,
  ): Promise<number[]> {
    const { data = {} } = message.fields as Message;
    const said = { posthorn_message_id: data['posthorn_message_id'], token: message.to };
    const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data: said });
    const id = `rcp_${randomBytes(12).toString('hex')}`;
    const timestamp = Math.floor(Date.now() / 1000);
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': webhookSignature(webhookKey(secret), id, timestamp, Buffer.from(body)),
    };
    return this.post({ url, headers, body }, times);
  }

  protected handle(request: FakeRequest): Sending | FakeReply {
    const { method, url, headers, body } = request;
    if (method === 'POST' && url.pathname === '/token') return this.grant(request);
    if (!this.tokens.has(bearerOf(headers))) return canonical(401, 'UNAUTHENTICATED');
    if (method !== 'POST' || url.pathname !== `/v1/projects/${this.projectId}/messages:send`)
      return canonical(404, 'NOT_FOUND');
    const message = jsonFields(body)?.['message'] as Message | undefined;
    if (!isType(headers, 'application/json') || message === undefined || !isMessage(message))
      return refusal('INVALID_ARGUMENT');
    if (this.unregistered.has(message.token!)) return refusal('UNREGISTERED');
    const id = `projects/${this.projectId}/messages/0:${Date.now()}${randomBytes(8).toString('hex')}`;
    return {
      message: {
        id,
        reference: '',
        to: message.token!,
        from: this.projectId,
        text: message.notification?.body ?? '',
        callbackUrl: '',
        fields: { ...message },
      },
      reply: { status: 200, json: { name: id } },
      refuse: refusal,
    };
  }

  private grant({ headers, body }: FakeRequest): FakeReply {
    const failure = this.tokenFailures.shift();
    if (failure !== undefined) return { status: failure };
    const form = new URLSearchParams(body.toString());
    const isInForm = isType(headers, 'application/x-www-form-urlencoded') && form.get('grant_type') === GRANT;
    if (!isInForm || !this.isAssertion(form.get('assertion') ?? ''))
      return { status: 400, json: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } };
    const token = `ya29.${randomBytes(32).toString('base64url')}`;
    this.tokens.add(token);
    this.tokensGiven++;
    return { status: 200, json: { access_token: token, expires_in: TOKEN_SECONDS, token_type: 'Bearer' } };
  }

  private isAssertion(jwt: string): boolean {
    const [head = '', claimPart = '', signature = ''] = jwt.split('.');
    const claims = jsonFields(Buffer.from(claimPart, 'base64url')) ?? {};
    const [iat, exp] = [Number(claims['iat']), Number(claims['exp'])];
    const now = Date.now() / 1000;
    const publicKey = createPublicKey(this.keys.privateKey);
    return (
      jsonFields(Buffer.from(head, 'base64url'))?.['alg'] === 'RS256' &&
      verify('sha256', Buffer.from(`${head}.${claimPart}`), publicKey, Buffer.from(signature, 'base64url')) &&
      claims['iss'] === this.serviceAccount['client_email'] &&
      claims['aud'] === this.serviceAccount['token_uri'] &&
      claims['scope'] === SCOPE &&
      iat <= now + 60 &&
      exp > now &&
      exp - iat <= ASSERTION_SECONDS_MAX
    );
  }
}

function isMessage({ token, notification, data = {} }: Message): boolean {
  const values = Object.entries(data);
  return (
    text(token) !== '' &&
    (notification !== undefined || values.length > 0) &&
    values.every(([name, value]) => typeof value === 'string' && !RESERVED_DATA.test(name))
  );
}

/** An error of FCM's own: the finer code stands among the details. */
function refusal(code: string): FakeReply {
  const detail = { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: code };
  const status = STATUS[code] ?? 400;
  const above = code === 'UNREGISTERED' ? 'NOT_FOUND' : code;
  return { status, json: { error: { code: status, message: 'No.', status: above, details: [detail] } } };
}

const canonical = (status: number, code: string): FakeReply => ({
  status,
  json: { error: { code: status, message: 'No.', status: code } },
});
