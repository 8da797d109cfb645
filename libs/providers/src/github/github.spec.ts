import { webcrypto } from 'node:crypto';
import { sign, verify, verifyWithFallback } from '@octokit/webhooks-methods';
import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
import { alterations, altered, bodies, isAccepted, type Posted } from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { github } from './github.js';

describeConformance(github, readVectors('./github.vectors.json', import.meta.url));

type Settings = Parameters<typeof github.verify>[2];
const settingsOf = (more: object): Settings => github.settings.parse(more) as Settings;
const SECRET = { id: 'sec_1', value: 'It is a secret of ours' };

const posted = (body: Buffer, headers: Readonly<Record<string, string>>): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://x.example/',
    new RequestHeaders(Object.entries(headers).flat()),
    body,
  );

/** GitHub's description on WebCrypto, for bytes that are no text: its package takes texts only. */
async function signatureOf(secret: string, body: Buffer): Promise<string> {
  const { subtle } = webcrypto;
  const bytes = new TextEncoder().encode(secret);
  const key = await subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = new Uint8Array(await subtle.sign('HMAC', key, new Uint8Array(body)));
  return `sha256=${Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));

test('B1 a second implementation and this one give the same verdict', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, bytes, fc.boolean(), async (signed, sent, isOurs) => {
      const signature = await signatureOf(isOurs ? SECRET.value : `${SECRET.value}.`, signed);
      for (const body of [signed, sent]) {
        const isGenuine = signature === (await signatureOf(SECRET.value, body));
        const request = posted(body, { 'X-Hub-Signature-256': signature });
        expect(github.verify(request, [SECRET], settingsOf({})).isAuthentic).toBe(isGenuine);
      }
    }),
    { numRuns: 50 },
  );
});

const secrets = fc.stringMatching(/^[\x20-\x7eäöü€]{8,40}$/);
const signedBy = async (secret: string, body: string): Promise<Posted> => ({
  body,
  headers: { 'x-hub-signature-256': await sign(secret, body) },
});
/** What GitHub's package makes of a request. */
const packageAccepts = async ({ body, headers }: Posted, secret: string): Promise<boolean> =>
  verify(secret, body, headers['x-hub-signature-256']!).catch(() => false);

test('B1 GitHub’s package: what it signs counts, and it gives the same verdict on any other body and secret', async () => {
  await fc.assert(
    fc.asyncProperty(secrets, secrets, bodies, bodies, async (secret, other, body, sent) => {
      const signed = await signedBy(secret, body);
      expect(isAccepted(github, signed, secret, 0)).toBe(true);
      for (const [posted, key] of [
        [signed, secret],
        [{ ...signed, body: sent }, secret],
        [signed, other],
      ] as const)
        expect(isAccepted(github, posted, key, 0)).toBe(await packageAccepts(posted, key));
    }),
  );
});

test('B1 GitHub’s package gives the same verdict on an altered request', async () => {
  await fc.assert(
    fc.asyncProperty(secrets, bodies, alterations, async (secret, body, alteration) => {
      const posted = altered(await signedBy(secret, body), alteration);
      expect(isAccepted(github, posted, secret, 0)).toBe(await packageAccepts(posted, secret));
    }),
    { numRuns: 200 },
  );
});

test('B7 GitHub’s package, given a former secret too, gives the same verdict as two secrets do here', async () => {
  await fc.assert(
    fc.asyncProperty(
      secrets,
      secrets,
      secrets,
      bodies,
      fc.nat(2),
      async (current, former, foreign, body, who) => {
        const signed = await signedBy([current, former, foreign][who]!, body);
        const both = [current, former].map((value, index) => ({ id: `sec_${index}`, value }));
        const header = signed.headers['x-hub-signature-256']!;
        expect(isAccepted(github, signed, both, 0)).toBe(
          await verifyWithFallback(current, body, header, [former]),
        );
      },
    ),
  );
});

const keyOf = (body: object, delivery: string, settings: object): string =>
  github.parse(
    posted(Buffer.from(JSON.stringify(body)), { 'X-GitHub-Delivery': delivery, 'X-GitHub-Event': 'push' }),
    settingsOf(settings),
  )[0]!.dedupKey;

test('C1 a captured request under another delivery ID is new by default, and the same with sameness: body', () => {
  const push = { ref: 'refs/heads/main', after: 'f00' };
  expect(keyOf(push, 'a', {})).not.toBe(keyOf(push, 'b', {}));
  expect(keyOf(push, 'a', { sameness: 'body' })).toBe(keyOf(push, 'b', { sameness: 'body' }));
  expect(keyOf(push, 'a', {})).toBe(keyOf({ ...push, after: 'f01' }, 'a', {}));
});

test('a form with the payload twice is kept and not guessed at', () => {
  const [event] = github.parse(
    posted(Buffer.from('payload=%7B%7D&payload=%7B%7D'), { 'X-GitHub-Event': 'push' }),
    settingsOf({}),
  );
  expect(event).toMatchObject({ type: 'event.unrecognized', note: 'the body is not JSON' });
});

test.each(['', 'short', 'x'.repeat(1025)])('%j is no secret', (value) => {
  expect(() => github.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a generated secret is valid', () => github.validateSecret(github.generateSecret!()));

test.each([{ sameness: 'time' }, { idPointer: 'id' }, { unknown: 1 }])('%j are no settings', (value) =>
  expect(github.settings.safeParse(value).success).toBe(false),
);
