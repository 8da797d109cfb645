import {
  type Consent,
  type ConsentProof,
  type ConsentRow,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { z } from 'zod';
import { anyChannel, bodyMoment, idOf, msOf, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';
import { address } from './suppressions.dto.js';

const NAME_MAX = 64;
const WORDING_MAX = 2_000;
const URL_MAX = 2_048;
const NOTE_MAX = 500;
const METHODS = ['web_form', 'keyword', 'paper', 'phone', 'api', 'import'] as const;
const STATUSES = ['pending', 'opted_in', 'opted_out'] as const;
const NOW = ['unknown', ...STATUSES, 'suppressed'] as const;

const proofFields = z.strictObject({
  eventId: idOf('evt').optional().describe('the event that it came with'),
  wording: z.string().max(WORDING_MAX).optional().describe('what the person agreed to, word for word'),
  wordingVersion: z.string().max(NAME_MAX).optional(),
  method: z.enum(METHODS).optional(),
  url: z.string().max(URL_MAX).optional(),
  ip: z.union([z.ipv4(), z.ipv6()]).optional(),
  note: z.string().max(NOTE_MAX).optional(),
});
const entry = {
  channel: anyChannel.default('all'),
  program: z.string().min(1).max(NAME_MAX).default('all').describe('what it is limited to; all: nothing'),
  status: z.enum(STATUSES).describe('pending: double opt-in was asked for'),
  proof: proofFields.optional(),
  occurredAt: bodyMoment.optional().describe('when it was given; now, when absent'),
};
export const consentsQuery = page.extend({ personId: idOf('per').optional() });
export const consentsExportQuery = consentsQuery.omit({ limit: true, cursor: true });
export const createConsent = z.strictObject({ address, ...entry });
/** An export writes what is not there as null. */
const proofRow = z.strictObject({
  eventId: proofFields.shape.eventId.nullable(),
  wording: proofFields.shape.wording.nullable(),
  wordingVersion: proofFields.shape.wordingVersion.nullable(),
  method: proofFields.shape.method.nullable(),
  url: proofFields.shape.url.nullable(),
  ip: proofFields.shape.ip.nullable(),
  note: proofFields.shape.note.nullable(),
});
const ignored = z.unknown().optional().describe('of an export; it does not matter here');
export const consentRow = z
  .strictObject({
    address: address.optional(),
    personId: idOf('per').optional().describe('of an earlier export, in place of the address'),
    ...entry,
    status: z
      .enum(NOW)
      .optional()
      .describe('pending, opted_in or opted_out; beside `kind` it is where the person stood, and is ignored'),
    kind: z
      .string()
      .max(NAME_MAX)
      .optional()
      .describe('of an export, in place of `status`: what the entry says'),
    id: idOf('evt')
      .optional()
      .describe(
        'of an export: an entry that is here stays as it is; what only an event makes is not made anew',
      ),
    eventId: idOf('evt').nullable().optional().describe('of an export: such an entry is about every channel'),
    ...{ createdAt: ignored, actorId: ignored },
    proof: proofRow.nullable().optional(),
    occurredAt: bodyMoment.describe('needed here: the same row again is the same entry'),
  })
  .refine((row) => (row.address === undefined) !== (row.personId === undefined), {
    path: ['address'],
    message: 'either address or personId must be given',
  })
  .refine(({ kind, status }) => kind !== undefined || (STATUSES as readonly unknown[]).includes(status), {
    path: ['status'],
    message: `must be one of ${STATUSES.join(', ')}`,
  });

const proof = z.object({
  eventId: z.string().nullable(),
  wording: z.string().nullable(),
  wordingVersion: z.string().nullable(),
  method: z.string().nullable(),
  url: z.string().nullable(),
  ip: z.string().nullable(),
  note: z.string().nullable(),
});
export const consent = z.object({
  id: z.string(),
  personId: z.string(),
  channel: z.string(),
  program: z.string(),
  kind: z.string().describe('what the entry says; of events also opt_in, complaint, hard_bounce'),
  status: z.enum(NOW).describe('where the person stands now'),
  occurredAt: time.nullable(),
  createdAt: time,
  eventId: z.string().nullable(),
  actorId: z.string().nullable(),
  proof: proof.nullable().describe('null after an erasure, and for operators without payloads:read'),
});

const proofMessage = (from: z.infer<typeof proofRow> | undefined): ConsentProof | undefined =>
  from && {
    ...{
      eventId: from.eventId ?? '',
      wording: from.wording ?? '',
      wordingVersion: from.wordingVersion ?? '',
    },
    ...{ method: from.method ?? '', url: from.url ?? '', ip: from.ip ?? '', note: from.note ?? '' },
  };

/** An entry that is made, for compliance. */
export const consentEntryOf = (from: z.infer<typeof createConsent>) => ({
  ...{ address: from.address, channel: from.channel, program: from.program, status: from.status },
  proof: proofMessage(from.proof),
  occurredAtMs: msOf(from.occurredAt),
});

/** A row of an import, for compliance. */
export const consentRowOf = (from: z.infer<typeof consentRow>): ConsentRow => ({
  ...{ address: from.address ?? '', personId: from.personId ?? '', id: from.id ?? '' },
  // An export shows of an event the channel that it came by.
  channel: isOf(from.eventId) ? 'all' : from.channel,
  ...{ program: from.program, status: from.kind ?? from.status ?? '' },
  proof: proofMessage(from.proof ?? undefined),
  occurredAtMs: msOf(from.occurredAt),
});
const isOf = (eventId: string | null | undefined): boolean => eventId !== undefined && eventId !== null;

/** An entry of the history as the API shows it. */
export const consentOf = (from: Consent, isProofShown: boolean): z.infer<typeof consent> => ({
  id: from.id,
  personId: from.personId,
  channel: from.channel,
  program: from.program,
  kind: from.kind,
  status: from.status as 'unknown',
  occurredAt: timeOf(from.occurredAtMs),
  createdAt: timeAt(from.createdAtMs),
  eventId: textOf(from.eventId),
  actorId: textOf(from.actorId),
  proof: from.proof !== undefined && isProofShown ? proofOf(from.proof) : null,
});

const proofOf = (from: ConsentProof): z.infer<typeof proof> => ({
  eventId: textOf(from.eventId),
  wording: textOf(from.wording),
  wordingVersion: textOf(from.wordingVersion),
  method: textOf(from.method),
  url: textOf(from.url),
  ip: textOf(from.ip),
  note: textOf(from.note),
});
