import { type Provider } from '@posthorn/providers/provider.js';
import { z } from 'zod';
import { json } from './shapes.dto.js';

export const provider = z.object({
  id: z.string().describe('what a source names as its provider'),
  name: z.string(),
  documentation: z.url().describe("the vendor's own page"),
  schemes: z.array(z.string()).describe('how its requests are proven authentic'),
  methods: z.array(z.enum(['POST', 'GET'])),
  secretRequired: z.boolean(),
  secretGenerated: z.boolean().describe('whether we can make the secret when none is given'),
  settings: json.describe("JSON Schema of a source's settings"),
});

/** A provider as the API shows it. */
export const providerOf = (from: Provider): z.infer<typeof provider> => ({
  id: from.id,
  name: from.name,
  documentation: from.documentation,
  schemes: [...from.schemes],
  methods: [...from.methods],
  secretRequired: from.secretRequired,
  secretGenerated: from.generateSecret !== undefined,
  settings: { ...z.toJSONSchema(from.settings, { io: 'input', unrepresentable: 'any' }) },
});
