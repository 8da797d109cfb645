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

/** A data key as the API shows it: never the key. */
export const dataKeyOf = (from: DataKeyInfo): z.infer<typeof tenantKeysRotated>['dataKeys'][number] => ({
  id: from.id,
  weekStart: new Date(from.weekStartDay * DAY_MS).toISOString().slice(0, 10),
  generation: from.generation,
});
