import { type GetPersonKeyChangeResponse } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { type DataKeyInfo } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { pending } from './shapes.dto.js';

const DAY_MS = 86_400_000;

export const rotateTenantKeys = z.strictObject({});
export const tenantKeysRotated = z.object({
  dataKeys: z
    .array(
      z.object({
        id: z.string(),
        weekStart: z.iso.date().describe('the Monday of the week that it encrypts, UTC'),
        generation: z.number().describe('how often the key of this week was renewed'),
      }),
    )
    .describe('those that encrypt from now on; the former ones go on opening what they encrypted'),
  secretKeyId: z.string().describe('what secrets, credentials and headers are encrypted with now'),
  resealed: z.number().describe('secrets, credentials and headers that were encrypted anew'),
  pending,
});

export const renewPersonKey = z.strictObject({});
export const personKeyRenewed = z.object({
  generation: z.number().describe('how often it was renewed'),
  pending,
});
export const personKeyChange = z.object({
  generation: z.number().describe('of the key under which new hashes are kept; 0: there was no change yet'),
  state: z
    .enum(['none', 'waiting', 'moving', 'settled'])
    .describe('waiting: it has not begun; moving: opt-outs of before are found under both keys'),
  moved: z
    .number()
    .describe('hashes of persons that were moved, without those that were needed before their turn'),
  startedAt: z.iso.datetime().nullable(),
  completedAt: z.iso.datetime().nullable(),
  formerDestroyed: z.boolean().describe('the key before is destroyed: the next change may begin'),
});

/** How far a change is. Times of 0 are none. */
export const personKeyChangeOf = (from: GetPersonKeyChangeResponse): z.infer<typeof personKeyChange> => ({
  generation: from.generation,
  state: personKeyChange.shape.state.parse(from.state),
  moved: from.moved,
  startedAt: timeOrNull(from.startedAtMs),
  completedAt: timeOrNull(from.completedAtMs),
  formerDestroyed: from.formerDestroyed,
});

const timeOrNull = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());

/** A data key as the API shows it: never the key. */
export const dataKeyOf = (from: DataKeyInfo): z.infer<typeof tenantKeysRotated>['dataKeys'][number] => ({
  id: from.id,
  weekStart: new Date(from.weekStartDay * DAY_MS).toISOString().slice(0, 10),
  generation: from.generation,
});
