/** The version of the package's JSON; a field is only ever added. */
const VERSION = 1;
/** What desks that take metadata only can hold. Source: Sunshine Conversations, switchboard metadata, read 2026-11. */
export const FLAT_BYTES_MAX = 4_096;
const FLAT_TEXT_LENGTH_MAX = 512;
/** What a delivery carries of one; the API answers with longer ones, too. */
export const PACKAGE_BYTES_MAX = 262_144;
/** WhatsApp lets a business write freely this long after the person did. Source: Meta, "customer service window". */
const WHATSAPP_WINDOW_MS = 24 * 60 * 60 * 1_000;

/** What the bot knows; anything else it sends is not taken over. */
const UNDERSTANDING = ['intent', 'candidates', 'entities', 'sentiment', 'language', 'summary'] as const;
const WORKFLOW = ['workflow', 'step', 'variables', 'returnStep'] as const;

/** One message of the history. IDs in their public form; times Unix milliseconds. */
export interface HistoryMessage {
  readonly id: string;
  readonly direction: string;
  readonly state: string;
  readonly atMs: number;
  readonly campaign: string;
  readonly replyTo: string;
  /** Undefined when it was erased, or never had any. */
  readonly content:
    | {
        readonly from: string;
        readonly to: string;
        readonly text: string;
        readonly subject: string;
        readonly mediaUrls: readonly string[];
      }
    | undefined;
}

/** Where a person stands with those who write to them, when the package was made. */
export interface Standing {
  /** unknown | pending | opted_in | opted_out | suppressed */
  readonly consentStatus: string;
  /** For each category (transactional, marketing): allow, deny or defer, by which rule, and until when. */
  readonly classes: readonly {
    readonly category: string;
    readonly decision: string;
    readonly rule: string;
    /** 0 = it does not say. */
    readonly untilMs: number;
  }[];
}

/** Everything that goes into a package. */
export interface PackageParts {
  readonly tenantId: string;
  readonly conversationId: string;
  readonly handoffId: string;
  readonly channel: string;
  readonly provider: string;
  readonly personId: string;
  readonly reason: string;
  readonly requestedAtMs: number;
  readonly requestedBy: string;
  readonly queue: string;
  readonly priority: number;
  readonly attempts: number;
  readonly priorClaims: readonly { readonly actor: string; readonly atMs: number }[];
  readonly claimedBy: string;
  readonly claimedAtMs: number;
  readonly state: string;
  readonly campaign: string;
  readonly messageCount: number;
  readonly lastInboundAtMs: number;
  readonly isOptedOut: boolean;
  /** Undefined: could not be asked. */
  readonly standing: Standing | undefined;
  /** Newest first. */
  readonly history: readonly HistoryMessage[];
  /** What the bot said of it; empty when nothing, or erased. */
  readonly context: Readonly<Record<string, unknown>>;
}

/**
 * The context package of a hand-off, as JSON: all of it, and the flat part for desks that take no more.
 * @param bytesMax of `full`, more than what the bot may say of it: the oldest messages are left out of what is longer.
 */
export function handoffPackage(
  parts: PackageParts,
  bytesMax = Number.POSITIVE_INFINITY,
): { full: string; flat: string } {
  let { history } = parts;
  let full = JSON.stringify(fullOf(parts));
  while (Buffer.byteLength(full) > bytesMax && history.length > 0) {
    history = history.slice(0, -1);
    full = JSON.stringify(fullOf({ ...parts, history }));
  }
  return { full, flat: flatOf(parts) };
}

const iso = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());

const pick = (from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));

const windowEnd = ({ provider, lastInboundAtMs }: PackageParts): string | null =>
  provider === 'whatsapp' && lastInboundAtMs > 0 ? iso(lastInboundAtMs + WHATSAPP_WINDOW_MS) : null;

/** The person's address, as the newest message with content has it; empty when none has. */
export function customerAddress({ history }: Pick<PackageParts, 'history'>): string {
  const message = history.find(({ content }) => content !== undefined);
  if (message?.content === undefined) return '';
  return message.direction === 'inbound' ? message.content.from : message.content.to;
}

function fullOf(parts: PackageParts) {
  const { tenantId, conversationId, history, context } = parts;
  return {
    version: VERSION,
    ids: {
      tenant: tenantId,
      conversation: conversationId,
      handoff: parts.handoffId,
      person: parts.personId,
      channel: parts.channel,
      customerAddress: customerAddress(parts),
      ...pick(context, ['providerThreadIds', 'contactId', 'locale', 'timeZone']),
    },
    reason: {
      code: parts.reason,
      requestedAt: iso(parts.requestedAtMs),
      requestedBy: parts.requestedBy,
    },
    history: {
      firstMessageId: history.at(-1)?.id ?? null,
      messageCount: parts.messageCount,
      messages: [...history].reverse().map(({ atMs, content, ...message }) => ({
        ...message,
        at: iso(atMs),
        ...(content ?? { isErased: true }),
      })),
      // What the bot says was spoken, here or where this platform does not carry the messages.
      reported: Array.isArray(context['history']) ? context['history'] : [],
      rest: `/v1/tenants/${tenantId}/conversations/${conversationId}`,
    },
    understanding: {
      ...pick(context, UNDERSTANDING),
      ...(context['summary'] !== undefined && { isSummaryGenerated: true, model: context['model'] ?? null }),
    },
    routing: {
      decisions: Array.isArray(context['decisions']) ? context['decisions'] : [],
      queue: parts.queue,
      priority: parts.priority,
      attempts: parts.attempts,
      priorAgents: parts.priorClaims.map(({ actor, atMs }) => ({ actor, at: iso(atMs) })),
      ...pick(context, ['skills', 'slaDueAt']),
    },
    compliance: {
      isOptedOut: parts.isOptedOut,
      freeMessagesUntil: windowEnd(parts),
      consentStatus: parts.standing?.consentStatus ?? null,
      messageClasses:
        parts.standing?.classes.map(({ category, decision, rule, untilMs }) => ({
          ...{ category, decision, rule, until: iso(untilMs) },
        })) ?? null,
    },
    workflow: pick(context, WORKFLOW),
    result: { state: parts.state, claimedBy: parts.claimedBy, claimedAt: iso(parts.claimedAtMs) },
  };
}

/** Texts, numbers and booleans only; what does not fit is left out, the last first. */
function flatOf(parts: PackageParts): string {
  const { context } = parts;
  const last = parts.history.find(({ direction }) => direction === 'inbound')?.content?.text;
  const candidates: readonly (readonly [string, unknown])[] = [
    ['version', VERSION],
    ['handoff', parts.handoffId],
    ['conversation', parts.conversationId],
    ['tenant', parts.tenantId],
    ['channel', parts.channel],
    ['reason', parts.reason],
    ['isOptedOut', parts.isOptedOut],
    ['consentStatus', parts.standing?.consentStatus],
    ['allowedClasses', allowedIn(parts.standing)],
    ['queue', parts.queue],
    ['priority', parts.priority],
    ['customerAddress', customerAddress(parts)],
    ['first_message_id', parts.history.at(-1)?.id],
    ['intent', nameIn(context['intent'])],
    ['sentiment', nameIn(context['sentiment'])],
    ['language', context['language']],
    ['campaign', parts.campaign],
    ['summary', context['summary']],
    ['lastMessage', last],
  ];
  let flat: Record<string, string | number | boolean> = {};
  for (const [name, value] of candidates) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue;
    const short = typeof value === 'string' ? value.slice(0, FLAT_TEXT_LENGTH_MAX) : value;
    const grown = { ...flat, [name]: short };
    if (Buffer.byteLength(JSON.stringify(grown)) <= FLAT_BYTES_MAX) flat = grown;
  }
  return JSON.stringify(flat);
}

/** The categories that may be sent now, with commas; undefined when that is not known. */
const allowedIn = (standing: Standing | undefined): string | undefined =>
  standing?.classes
    .filter(({ decision }) => decision === 'allow')
    .map(({ category }) => category)
    .join(',');

/** A word, or the word inside `{ name | label: … }`. */
function nameIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { name, label } = value as Record<string, unknown>;
  return name ?? label;
}
