import type { MediaAdapter } from './media-adapter.js';
import { telnyx } from './telnyx.js';
import { twilio } from './twilio.js';
import { vonage } from './vonage.js';
import { whatsapp } from './whatsapp.js';

const MEDIA: ReadonlyMap<string, MediaAdapter> = new Map(
  [twilio, vonage, telnyx, whatsapp].map((adapter) => [adapter.provider, adapter]),
);

/** How media of a provider are fetched; undefined: its messages name none. */
export const mediaAdapterOf = (provider: string): MediaAdapter | undefined => MEDIA.get(provider);
