import { z } from 'zod';
import { pending } from './shapes.dto.js';

const REASON_MAX = 500;

/** Why something is stopped, or goes on. */
export const stop = z.strictObject({
  reason: z.string().max(REASON_MAX).default('').describe('goes to the audit log'),
});
export const platformSends = z.object({ isSendingPaused: z.boolean(), pending });
