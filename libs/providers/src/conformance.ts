// Where thousands of things are looked at it is `assert`: `expect` costs more than what it looks at.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { ProviderRequest } from './provider-request.js';
import { FORMER_DEDUP_KEYS_MAX } from './provider.js';
import type {
  CommonSettings,
  Provider,
  ProviderEvent,
  ProviderSecret,
  RefusalCause,
  Verdict,
} from './provider.js';
import { RequestHeaders } from './request-headers.js';
import { CLOCK_SKEW_MS, verifyRequest } from './verify-request.js';

/** One request with a known verdict, as the vectors files hold it. */
export interface Vector {
  readonly name: string;
  readonly why: string;
  /** Vendor document, SDK test suite, or "computed here with …". */
  readonly source: string;
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBase64: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly secrets: readonly ProviderSecret[];
  readonly nowMs: number;
  readonly verdict: 'authentic' | RefusalCause;
  readonly secretId?: string;
  /** What the signature covers beside the body; a changed character there must be refused. */
  readonly signedHeaders?: readonly string[];
  readonly isUrlSigned?: boolean;
  /** Why the scheme itself cannot tell some other bodies from this one. */
  readonly ambiguity?: string;
  /** What the verdict names as good for one request. */
  readonly nonce?: string;
  /** DER of the certificate that the TLS handshake proved. */
  readonly clientCertificateBase64?: string;
  /** Fields of the parsed events that must have these values. */
  readonly events?: readonly Readonly<Record<string, unknown>>[];
}

type Change = {
  readonly body?: Buffer;
  readonly url?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly secrets?: readonly ProviderSecret[];
  readonly nowMs?: number;
};

// For each vector, and each provider has several: what is drawn for one is seldom drawn for the next.
const CHANGED_BYTES = { numRuns: 60 };
const CHANGED_CHARACTERS = { numRuns: 40 };
const ODD_BODIES = { numRuns: 10 };
const CUTS_MAX = 48;
const LAST_CUTS = 16;
/** What is shorter may stand in an ID by chance. */
const ADDRESS_LENGTH_MIN = 5;
const DAY_MS = 86_400_000;

/** The vectors beside a spec. @param name file name. @param specUrl the spec's `import.meta.url`. */
export function readVectors(name: string, specUrl: string): readonly Vector[] {
  return (JSON.parse(readFileSync(new URL(name, specUrl), 'utf8')) as { vectors: Vector[] }).vectors;
}

const settingsRead = new WeakMap<Vector['settings'], CommonSettings>();

/** A vector's settings, read once: a suite judges each vector some thousand times. */
function settingsOf(provider: Provider, { settings }: Vector): CommonSettings {
  let read = settingsRead.get(settings);
  if (read === undefined)
    settingsRead.set(settings, (read = provider.settings.parse(settings) as CommonSettings));
  return read;
}

/** A vector's request with something changed, and what the provider says to it. */
export function judgeVector(provider: Provider, vector: Vector, change: Change = {}): Verdict {
  return verifyRequest(
    provider,
    requestOf(vector, change),
    change.secrets ?? vector.secrets,
    settingsOf(provider, vector),
    change.nowMs ?? vector.nowMs,
  );
}

/** The events in a vector's request. */
export function parseVector(
  provider: Provider,
  vector: Vector,
  change: Change = {},
): readonly ProviderEvent[] {
  return provider.parse(requestOf(vector, change), settingsOf(provider, vector));
}

function requestOf(vector: Vector, { body, url, headers }: Change): ProviderRequest {
  const visible = url ?? vector.url;
  const target = visible.replace(/^https?:\/\/[^/?]*/, '') || '/';
  return new ProviderRequest(
    vector.method,
    target,
    visible,
    new RequestHeaders((headers ?? vector.headers).flat()),
    body ?? bodyOf(vector),
    vector.clientCertificateBase64 === undefined
      ? undefined
      : Buffer.from(vector.clientCertificateBase64, 'base64'),
  );
}

const bodyOf = (vector: Vector): Buffer => Buffer.from(vector.bodyBase64, 'base64');

/** The suite every provider must pass on its vectors. */
export function describeConformance(provider: Provider, vectors: readonly Vector[]): void {
  describe(`${provider.id} keeps the provider contract`, () => {
    const authentic = vectors.filter(({ verdict }) => verdict === 'authentic');

    test('B1 the vectors state their source and cover both verdicts', () => {
      expect(authentic.length).toBeGreaterThan(0);
      expect(vectors.length).toBeGreaterThan(authentic.length);
      for (const { source, why } of vectors) expect(Math.min(source.length, why.length)).toBeGreaterThan(10);
    });

    test('the page says what is answered', () => {
      const statuses = provider.page?.answers.map(({ status }) => status);
      for (const vector of statuses === undefined ? [] : authentic)
        expect(statuses).toContain(provider.answer(parseVector(provider, vector)).status);
    });

    test.each(vectors)('B1 $name: $verdict', (vector) => {
      const verdict = judgeVector(provider, vector);
      expect(verdict.isAuthentic ? 'authentic' : verdict.cause).toBe(vector.verdict);
      if (verdict.isAuthentic && vector.secretId !== undefined)
        expect(verdict.secretId).toBe(vector.secretId);
      if (verdict.isAuthentic) expect(verdict.nonce).toBe(vector.nonce);
      if (vector.events !== undefined) expect(parseVector(provider, vector)).toMatchObject(vector.events);
    });

    describe.each(authentic)('$name', (vector) => {
      describeTampering(provider, vector);
      describeSecretsAndTime(provider, vector);
      describeValidity(provider, vector);
      describeOddBodies(provider, vector);
    });
  });
}

function describeTampering(provider: Provider, vector: Vector): void {
  const body = bodyOf(vector);
  const isRefused = (change: Change): boolean => !judgeVector(provider, vector, change).isAuthentic;

  if (body.length > 0 && vector.ambiguity === undefined) {
    test('B1 one changed byte anywhere in the body is refused', () => {
      fc.assert(
        fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
          const changed = Buffer.from(body);
          changed[at]! ^= bits;
          return saysTheSame(body, changed) || isRefused({ body: changed });
        }),
        CHANGED_BYTES,
      );
    });

    test('B1 a body cut short or continued is refused', () => {
      const isTaken = (length: number): boolean => !isRefused({ body: body.subarray(0, length) });
      expect(cutsOf(body.length).filter(isTaken)).toEqual([]);
      expect(isRefused({ body: Buffer.concat([body, Buffer.from('&a=b')]) })).toBe(true);
    });
  }

  if (vector.nonce !== undefined) {
    test('B3 whatever else the body says, the signature vouches for one nonce', () => {
      fc.assert(
        fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
          const changed = Buffer.from(body);
          changed[at]! ^= bits;
          const verdict = judgeVector(provider, vector, { body: changed });
          return !verdict.isAuthentic || verdict.nonce === vector.nonce;
        }),
        CHANGED_BYTES,
      );
    });
  }

  if (vector.isUrlSigned === true) {
    test('B1 one changed character anywhere in the URL is refused', () => {
      const places = Array.from(vector.url, (_, at) => at);
      expect(places.filter((at) => !isRefused({ url: replaceAt(vector.url, at) }))).toEqual([]);
    });
  }

  for (const name of vector.signedHeaders ?? []) {
    const index = vector.headers.findIndex(([header]) => header === name);
    const value = vector.headers[index]![1];

    test(`B1 one changed character anywhere in ${name} is refused`, () => {
      fc.assert(
        fc.property(fc.nat(value.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, code) => {
          const changed = value.slice(0, at) + String.fromCharCode(code) + value.slice(at + 1);
          return (
            withoutCaseOfScheme(name, changed) === withoutCaseOfScheme(name, value) ||
            isRefused({ headers: vector.headers.with(index, [name, changed]) })
          );
        }),
        CHANGED_CHARACTERS,
      );
    });

    test(`B5 ${name} missing, empty, or sent twice is refused with a cause of its own`, () => {
      const cause = (headers: Vector['headers']): unknown => {
        const verdict = judgeVector(provider, vector, { headers });
        return verdict.isAuthentic ? 'authentic' : verdict.cause;
      };
      expect(cause(vector.headers.toSpliced(index, 1))).toMatch(/^signature\.(missing|malformed)$/);
      expect(cause(vector.headers.with(index, [name, '']))).toMatch(/^signature\./);
      expect(cause([...vector.headers, [name.toUpperCase(), value]])).toBe('signature.malformed');
    });
  }
}

function describeSecretsAndTime(provider: Provider, vector: Vector): void {
  const valid = vector.secrets.find(({ id }) => id === (vector.secretId ?? vector.secrets[0]?.id))!;
  const wrong: ProviderSecret = { id: 'sec_wrong', value: otherSecret(valid.value) };

  test('B7 a wrong secret is refused; beside the right one it does no harm, and the right one is named', () => {
    expect(judgeVector(provider, vector, { secrets: [wrong] })).toMatchObject({
      isAuthentic: false,
      cause: 'signature.mismatch',
    });
    expect(judgeVector(provider, vector, { secrets: [] })).toMatchObject({ isAuthentic: false });
    for (const secrets of [
      [wrong, valid],
      [valid, wrong],
    ]) {
      expect(judgeVector(provider, vector, { secrets })).toMatchObject({
        isAuthentic: true,
        secretId: valid.id,
      });
    }
  });

  test('B3 a signed time is fresh within the tolerance, both ways, and not beyond', () => {
    const verdict = judgeVector(provider, vector);
    if (!verdict.isAuthentic || verdict.signedAtMs === undefined) {
      const isBounded = verdict.isAuthentic && verdict.validity !== undefined;
      const nowMs = vector.nowMs + 365 * DAY_MS;
      if (!isBounded) expect(judgeVector(provider, vector, { nowMs }).isAuthentic).toBe(true);
      return;
    }
    const toleranceMs = settingsOf(provider, vector).freshnessSeconds * 1000;
    const { fromMs, untilMs } = verdict.validity ?? { fromMs: 0, untilMs: Number.MAX_SAFE_INTEGER };
    for (const side of [-1, 1]) {
      const edge = verdict.signedAtMs + side * toleranceMs;
      const isValid = edge >= fromMs - CLOCK_SKEW_MS && edge <= untilMs + CLOCK_SKEW_MS;
      expect(judgeVector(provider, vector, { nowMs: edge }).isAuthentic).toBe(isValid);
      expect(judgeVector(provider, vector, { nowMs: edge + side })).toMatchObject({
        cause: 'signature.expired',
      });
    }
  });
}

function describeValidity(provider: Provider, vector: Vector): void {
  const verdict = judgeVector(provider, vector);
  if (!verdict.isAuthentic || verdict.validity === undefined) return;
  const { fromMs, untilMs } = verdict.validity;

  test('B3 what is valid from and until a time is refused beyond both', () => {
    const cause = (nowMs: number): unknown => judgeVector(provider, vector, { nowMs });
    expect(cause(fromMs - CLOCK_SKEW_MS - 1)).toMatchObject({ cause: 'signature.expired' });
    expect(cause(untilMs + CLOCK_SKEW_MS + 1)).toMatchObject({ cause: 'signature.expired' });
    if (verdict.signedAtMs !== undefined) return;
    expect(cause(fromMs - CLOCK_SKEW_MS)).toMatchObject({ isAuthentic: true });
    expect(cause(untilMs + CLOCK_SKEW_MS)).toMatchObject({ isAuthentic: true });
  });
}

const ODD_TEXTS = [
  ...['', '[]', '[1,2]', 'null', '{', '\ufeff{}', '{"type":{"type":1}}', '%', '%ff=1', 'a&b'],
  '[{"id":"a","sg_event_id":"a"},{"id":"a","sg_event_id":"a"}]',
  'MessageSid=%00&MessageStatus=sent',
  '='.repeat(5000),
  'a'.repeat(300_000),
];

function describeOddBodies(provider: Provider, vector: Vector): void {
  const givesEvents = (body: Buffer): void => {
    const events = parseVector(provider, vector, { body });
    assert(events.length > 0);
    assert.equal(new Set(events.map(({ dedupKey }) => dedupKey)).size, events.length);
    for (const { dedupKey, messageReference } of events) {
      assert(dedupKey.length > 0);
      assert.match(messageReference, /^(?:msg_.{26})?$/);
    }
    expectFormerKeys(events, parseVector(provider, vector, { body }));
    assert(provider.answer(events).status < 300);
  };

  test('A8 whatever an authentic body holds, it gives events with keys, and never throws', () => {
    for (const body of [...ODD_TEXTS, Buffer.from([0xff, 0xfe, 0x00])]) givesEvents(Buffer.from(body));
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(fc.property(bodies, givesEvents), ODD_BODIES);
  });

  test('C1 the same request again gives the same keys', () => {
    const [events, again] = [parseVector(provider, vector), parseVector(provider, vector)];
    expect(again.map(({ dedupKey }) => dedupKey)).toEqual(events.map(({ dedupKey }) => dedupKey));
    expectFormerKeys(events, again);
  });

  test('B10 no address is part of what names a message in the log', () => {
    for (const { person, recipient, providerMessageId, messageReference } of parseVector(provider, vector)) {
      if (person.length >= ADDRESS_LENGTH_MIN) expect(providerMessageId).not.toContain(person);
      // A message of ours has one recipient, and is known by the ID that its send was answered with.
      if (messageReference !== '') expect(recipient).toBe('');
    }
  });
}

/**
 * Fails unless the former keys of a request's events are few, are no present ones, belong to one event each, and
 * are the same whenever the request is read.
 * @param again the events of the same request, read once more.
 */
export function expectFormerKeys(events: readonly ProviderEvent[], again: readonly ProviderEvent[]): void {
  const formerOf = ({ formerDedupKeys }: ProviderEvent): readonly string[] => formerDedupKeys ?? [];
  const all = events.flatMap((event) => [event.dedupKey, ...formerOf(event)]);
  // One event's former key that is another's key would make the other a repetition.
  assert.equal(new Set(all).size, all.length);
  assert(!all.includes(''));
  for (const event of events) assert(formerOf(event).length <= FORMER_DEDUP_KEYS_MAX);
  assert.deepEqual(again.map(formerOf), events.map(formerOf));
}

/** Two spellings of one form (`%2b`, `%2B`; a blank, `+`): where fields are signed, neither is tampering. */
function saysTheSame(a: Buffer, b: Buffer): boolean {
  const spelled = (bytes: Buffer): string =>
    bytes
      .toString('latin1')
      .replaceAll(' ', '+')
      .replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
  return spelled(a) === spelled(b);
}

/** Lengths at which a body is cut: all of a short one; of a longer one some, evenly spread, and the last. */
function cutsOf(length: number): readonly number[] {
  const step = Math.ceil(length / CUTS_MAX);
  return Array.from({ length }, (_, at) => at).filter((at) => at % step === 0 || at >= length - LAST_CUTS);
}

const replaceAt = (text: string, at: number): string =>
  text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1);

/** Another secret of the same form: one character in the middle differs. */
function otherSecret(value: string): string {
  const at = Math.floor(value.length / 2);
  return value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);
}

/** Source: RFC 9110, section 11.1: the case of a scheme in Authorization says nothing. */
const withoutCaseOfScheme = (name: string, value: string): string =>
  name.toLowerCase() === 'authorization'
    ? value.replace(/^[\w-]+ /, (scheme) => scheme.toLowerCase())
    : value;
