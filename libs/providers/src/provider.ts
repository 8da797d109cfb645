import { z } from 'zod';
import type { Signal } from './opt-out-keywords.js';
import type { ProviderRequest } from './provider-request.js';

/** The neutral states a provider can report of a message. Source: docs/glossary.md, message.state. */
export const MESSAGE_STATES = [
  ...(['accepted', 'scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'undelivered'] as const),
  ...(['failed', 'expired', 'canceled', 'received', 'unknown'] as const),
] as const;
export type MessageState = (typeof MESSAGE_STATES)[number];

/** The type of an event of intake. */
export type ProviderEventType = `message.${MessageState}` | 'conversation.handoff' | 'event.unrecognized';

export type Channel = 'sms' | 'email' | 'chat' | 'push';

/** One secret that is valid now. Its identity as an object may key caches of what is derived from it. */
export interface ProviderSecret {
  /** `sec_…`; of keys that were fetched, where they were fetched from. */
  readonly id: string;
  readonly value: string;
}

/** Why a request is not authentic; codes of the closed list of errors. */
export type RefusalCause =
  'signature.missing' | 'signature.malformed' | 'signature.mismatch' | 'signature.expired';

/** From when until when a signature or a certificate counts, both ends included; Unix milliseconds. */
export interface Validity {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** What verification found. */
export type Verdict =
  | {
      readonly isAuthentic: true;
      /** The secret that matched; undefined where the scheme has none. */
      readonly secretId: string | undefined;
      /** The signed time, where the scheme signs one: freshness is checked against it. */
      readonly signedAtMs: number | undefined;
      /**
       * What the scheme signs in the body's place, good for one request. The first request stored with it takes
       * it; a later one with it is that request again, or a captured signature with another body: of such a
       * request nothing may be stored. Undefined where the body is signed.
       */
      readonly nonce: string | undefined;
      /** Where the scheme says it: the clock is held against it, beside freshness. */
      readonly validity?: Validity | undefined;
    }
  | {
      readonly isAuthentic: false;
      readonly cause: RefusalCause;
      readonly detail: string;
      /** The request names a key that is not among the given ones: keys fetched anew (`keyUrl`) may have it. */
      readonly isKeyUnknown?: boolean;
    };

/** Personal data: goes into the encrypted content only. Addresses as the provider wrote them. */
export interface ProviderContent {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly subject: string;
  /**
   * Where each medium is, or where the provider says where it is; in the order of the message. What a request has in its
   * own body is none. Of an inbound message the first `MEDIA_PER_EVENT_MAX` can be fetched.
   */
  readonly mediaUrls: readonly string[];
}

/** Media of one message that are fetched; what it refers to beyond them stays in the content. */
export const MEDIA_PER_EVENT_MAX = 10;

/** What an event says about consent, or about whether a mailbox can be reached. */
export type EventSignal = Signal | 'complaint' | 'hard_bounce' | 'soft_bounce';

/** Derivations of a dedup key that may still be looked for beside the present one. */
export const FORMER_DEDUP_KEYS_MAX = 2;

/** One event inside a request. Missing texts are empty. */
export interface ProviderEvent {
  /** Sameness within the source: the same key again is the same event. Never from arrival time. */
  readonly dedupKey: string;
  /**
   * The keys that earlier versions of the adapter gave this same event, newest first; at most
   * FORMER_DEDUP_KEYS_MAX. Set by an adapter that changed how it derives `dedupKey`, for as long as keys are
   * kept: an event that came under one of them is a repetition; so none that stood for several events. From the same input as `dedupKey`, never equal to it.
   */
  readonly formerDedupKeys?: readonly string[] | undefined;
  readonly type: ProviderEventType;
  readonly providerEventId: string;
  /** Names one message with one state, together with `recipient`. No address is part of it: it goes into the log. */
  readonly providerMessageId: string;
  /**
   * The address whose copy of the message this is, where the provider sends to several under one ID; else empty.
   * Stored only as a hash with the tenant's key, behind the ID.
   */
  readonly recipient: string;
  /** The provider's own event type, as sent. */
  readonly providerType: string;
  readonly channel: Channel | '';
  readonly direction: 'inbound' | 'outbound' | '';
  readonly status: MessageState | '';
  readonly providerStatus: string;
  readonly errorCode: string;
  readonly campaign: string;
  /** Our own reference (`msg_…`), given to the provider with the message and handed back. */
  readonly messageReference: string;
  /** The provider's ID of the message that this one answers. */
  readonly replyTo: string;
  /** The `recipient` of that message: whose copy of it this one answers; else empty. */
  readonly replyToRecipient: string;
  readonly signal: EventSignal | '';
  /** Undefined when the provider does not say. */
  readonly occurredAtMs: number | undefined;
  /** The contact's address; it names the lane of the log, else the message does. */
  readonly person: string;
  /** Our side's address (number, page, mailbox); with `person` it names the conversation. */
  readonly ours: string;
  readonly content: ProviderContent | undefined;
  readonly note: string;
  /** The content is a part of a longer text, so no keyword, whatever it says; absent = it is whole. */
  readonly isPart?: true;
  /** Which part of which text: its parts are put together. Absent = it is whole, or nobody could tell. */
  readonly part?: MessagePart;
  /** Of a bot's hand-off: which agents it asks for, and how urgent it is (0–9); absent = it does not say. */
  readonly queue?: string;
  readonly priority?: number;
}

/** A part of a longer text. */
export interface MessagePart {
  /** The same for all parts of one text, between the same two addresses. */
  readonly reference: string;
  /** 1–`total`. */
  readonly number: number;
  /** 2–`PARTS_MAX`. */
  readonly total: number;
}

/** Parts of one text. Source: 3GPP TS 23.040, 9.2.3.24.1: one octet counts them. */
export const PARTS_MAX = 255;

/** What the provider is answered. */
export interface ProviderAnswer {
  readonly status: number;
  readonly contentType?: string;
  readonly body?: string;
}

/**
 * The setting of how old, or how far ahead, a signed timestamp may be.
 * @param defaultSeconds longer where a provider may repeat a request for hours without signing it anew: such a
 * retry must not be refused, and deduplication (or a nonce) catches a replay. @param maxSeconds at most.
 */
export const freshnessSetting = (defaultSeconds: number, maxSeconds = 86_400) =>
  z
    .int()
    .min(1)
    .max(maxSeconds)
    .default(defaultSeconds)
    .describe('How old, or how far ahead, a signed timestamp may be');

/**
 * The setting of the size from which bodies are refused.
 * @param defaultBytes more where a provider's batches or attachments are larger.
 */
export const bodySizeSetting = (defaultBytes: number) =>
  z.int().min(1).max(1_048_576).default(defaultBytes).describe('Larger bodies are refused');

/** Events of one request; the log stores no more. What a larger batch holds beyond it stays in the raw request. */
export const EVENTS_PER_REQUEST_MAX = 1000;

/** Settings every source has. */
export const COMMON_SETTINGS = z.strictObject({
  publicUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('The URL the provider posts to, or its origin, where a proxy changes it'),
  freshnessSeconds: freshnessSetting(300),
  ipAllowlist: z
    .array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()]))
    .max(256)
    .default([])
    .describe('Addresses and CIDR ranges that may post; empty = any'),
  maxBodyBytes: bodySizeSetting(262_144),
  ratePerSecond: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe(
      'Requests a second that each process of ingress takes; more are asked to come again later. Unset: as many as the tenant may',
    ),
  verification: z
    .enum(['enforce', 'monitor'])
    .default('enforce')
    .describe('monitor stores unauthentic requests too, marked: `authentic` is false'),
});
export type CommonSettings = z.output<typeof COMMON_SETTINGS>;

/**
 * A webhook provider: how its requests are proven authentic, what they say, how it wants to be answered.
 * Pure: no clock, no I/O, no state beyond caches keyed by a secret.
 */
export interface Provider<S extends CommonSettings = CommonSettings> {
  readonly id: string;
  readonly name: string;
  /** The vendor's own page. */
  readonly documentation: string;
  readonly schemes: readonly string[];
  /** GET is taken only where the provider delivers or challenges by GET. */
  readonly methods: readonly ('POST' | 'GET')[];
  /** Validates a source's settings; admin refuses unknown keys, the edge ignores them. */
  readonly settings: z.ZodObject;
  /** Settings whose values are nobody's to read later: answers name them only, and the audit says that they changed. */
  readonly secretSettings?: readonly string[];
  /** Whether a source must have a secret to be created. */
  readonly secretRequired: boolean;
  /** The same for one source, where its settings decide. */
  isSecretRequired?(settings: S): boolean;
  /** Makes a secret where the scheme lets us choose it. */
  generateSecret?(): string;
  /**
   * @param settings the source's, validated, where they are known: some say how a secret is written.
   * @throws AppError `secret.invalid` when the text cannot be a secret of this scheme.
   */
  validateSecret(value: string, settings?: S): void;
  /**
   * Where the sender publishes its keys, when the settings say so. The text found there is one more secret for
   * `verify`, under the URL as ID; it is fetched before the first request, kept, and fetched anew from time to
   * time and when a verdict says `isKeyUnknown`, the latter not more often than a bound allows: who posts
   * anything at all can name unknown keys. Never fetched: the request can be judged later, not refused.
   */
  keyUrl?(settings: S): string | undefined;
  /** Whether `verify` looks at the client's certificate: for others it is not read. */
  readonly usesClientCertificate?: boolean;
  /**
   * The HTTP status per cause, where the provider's retry engine wants another than the house's; of `request.invalid`: an
   * authentic request that the log can never take, such as a captured signature with another body.
   */
  readonly refusalStatus?: Partial<Readonly<Record<RefusalCause | 'request.invalid', number>>>;
  /** What `WWW-Authenticate` says in a 401, where the scheme is one of HTTP's. Source: RFC 9110, section 11.6.1. */
  authenticate?(settings: S): string | undefined;
  /** Whether one of the secrets signed the raw request. Constant time in the secrets; never throws. */
  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], settings: S): Verdict;
  /** The events of an authentic request, at least one: what is not understood is `event.unrecognized`. */
  parse(request: ProviderRequest, settings: S): readonly ProviderEvent[];
  /** The answer once the events are stored. */
  answer(events: readonly ProviderEvent[]): ProviderAnswer;
  /** Answers a request that only proves the endpoint is ours; undefined when it is not one. */
  challenge?(
    request: ProviderRequest,
    secrets: readonly ProviderSecret[],
    settings: S,
  ): ProviderAnswer | undefined;
  /** What docs/providers says beside the settings. */
  readonly page?: ProviderPage;
}

/** A status, or a class of them. */
export type StatusPattern = `${1 | 2 | 3 | 4 | 5}xx` | `${number}`;

/** What a tenant has to know of a provider, as data. `{url}` stands for the source's URL. */
export interface ProviderPage {
  /** Which webhooks; one sentence. */
  readonly summary: string;
  /** What the scheme's secret is. */
  readonly secret: string;
  /** The steps at the sender's side, in order. */
  readonly setup: readonly string[];
  /** Every form of `answer`, and what it answers. */
  readonly answers: readonly { readonly on: string; readonly status: number; readonly body?: string }[];
  readonly retries: {
    readonly policy: string;
    /** Whether such an answer is tried again; a status beats its class. Absent = the sender does not say. */
    readonly isRepeated: Readonly<Partial<Record<StatusPattern, boolean>>>;
  };
  /** What makes two requests the same event. */
  readonly sameness: string;
  /** How what an outage took is fetched. */
  readonly reconciliation: { readonly isPossible: 'yes' | 'partly' | 'no'; readonly how: string };
  /** What the scheme cannot prove, and other warnings. */
  readonly limits: readonly string[];
}

/**
 * An event from what is known of it.
 * Why field by field: spreading one object over another took more of intake than the signature did.
 */
export const providerEvent = (
  known: Pick<ProviderEvent, 'dedupKey' | 'type'> & Partial<ProviderEvent>,
): ProviderEvent => ({
  dedupKey: known.dedupKey,
  formerDedupKeys: known.formerDedupKeys,
  type: known.type,
  providerEventId: known.providerEventId ?? '',
  providerMessageId: known.providerMessageId ?? '',
  recipient: known.recipient ?? '',
  providerType: known.providerType ?? '',
  channel: known.channel ?? '',
  direction: known.direction ?? '',
  status: known.status ?? '',
  providerStatus: known.providerStatus ?? '',
  errorCode: known.errorCode ?? '',
  campaign: known.campaign ?? '',
  messageReference: known.messageReference ?? '',
  replyTo: known.replyTo ?? '',
  replyToRecipient: known.replyToRecipient ?? '',
  signal: known.signal ?? '',
  occurredAtMs: known.occurredAtMs,
  person: known.person ?? '',
  ours: known.ours ?? '',
  content: known.content,
  note: known.note ?? '',
});

/** An authentic event that is not understood: kept, counted, can be processed again. */
export const unrecognizedEvent = (
  dedupKey: string,
  note: string,
  known: Partial<ProviderEvent> = {},
): ProviderEvent => providerEvent({ ...known, dedupKey, type: 'event.unrecognized', note });

/** A verdict against the request. */
export const refuse = (cause: RefusalCause, detail: string): Verdict => ({
  isAuthentic: false,
  cause,
  detail,
});

/** A verdict for the request. @param nonce where the scheme does not sign the body. */
export const accept = (
  secretId: string | undefined,
  signedAtMs?: number,
  nonce?: string,
  validity?: Validity,
): Verdict => ({
  isAuthentic: true,
  secretId,
  signedAtMs,
  nonce,
  validity,
});

const IDENTIFIER_LENGTH_MAX = 256;

/**
 * A provider's identifier as given, or undefined when it cannot be one: empty, over 256 characters, or with
 * control characters (Postgres takes no NUL, and none belongs there).
 */
export function identifier(text: string | undefined): string | undefined {
  if (
    text === undefined ||
    text === '' ||
    text.length > IDENTIFIER_LENGTH_MAX ||
    /[\u0000-\u001f\u007f]/.test(text)
  )
    return undefined;
  return text;
}

const LABEL_LENGTH_MAX = 64;

/** A provider's short word (a type, a status, a code) as the log keeps it; empty when it cannot be one. */
export const label = (text: string | undefined): string => identifier(text)?.slice(0, LABEL_LENGTH_MAX) ?? '';

/** The events without those whose key came before in the same request: the same key is the same event. */
export function distinctEvents(events: readonly ProviderEvent[]): readonly ProviderEvent[] {
  const keys = new Set<string>();
  return events.filter(({ dedupKey }) => keys.size < keys.add(dedupKey).size);
}
