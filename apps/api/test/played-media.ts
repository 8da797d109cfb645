import { EVENT, MEDIA } from './played-things.js';

/** What events answers of an event with media, and of what its request said. */
export const MEDIA_HANDLERS = {
  getEvent: { own: () => ({ event: EVENT, media: MEDIA }), other: 'event.not_found' },
  getEventMedium: {
    own: () => ({ contentType: 'text/html', body: Buffer.from('<script>1</script>') }),
    other: 'event.not_found',
  },
  getEventPayload: {
    own: () => ({
      request: {
        ...{ method: 'POST', target: '/in/a/b', headers: ['X-A', '1', 'x-b', '2'] },
        body: Buffer.from('raw'),
      },
      content: { from: '+1', to: '+2', text: '', subject: '', mediaUrls: [] },
    }),
    other: 'event.not_found',
  },
} as const;
