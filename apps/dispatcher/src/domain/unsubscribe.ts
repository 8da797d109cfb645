import { UNSUBSCRIBE_PROGRAM_BYTES_MAX } from '@posthorn/crypto/unsubscribe-token.js';
import { type CommandIdentity, type MessageContent } from './command.js';

/**
 * Stands in a mail for the link that unsubscribes: in `text`, `html` and the values of `data`.
 * Why no braces: rules and providers' templates fill those themselves.
 */
export const UNSUBSCRIBE_PLACEHOLDER = '%unsubscribe_url%';

const ALL_PROGRAMS = 'all';

/** What the link of a message unsubscribes from: its program; all of its channel when it has none, or one too long. */
export const unsubscribeProgramOf = ({ program }: Pick<CommandIdentity, 'program'>): string =>
  program === '' || Buffer.byteLength(program) > UNSUBSCRIBE_PROGRAM_BYTES_MAX ? ALL_PROGRAMS : program;

/**
 * A mail with the link that unsubscribes: in its headers when it is marketing, in its text where the placeholder
 * stands. A link that the caller gave comes first; other channels have none.
 * @param link makes ours; called only when it is needed. @throws what `link` throws.
 */
export function withUnsubscribe(
  { channel, category }: Pick<CommandIdentity, 'channel' | 'category'>,
  content: MessageContent,
  link: () => string,
): MessageContent {
  if (channel !== 'email') return content;
  const { text, html, data, unsubscribeUrl } = content;
  const isNamed = [text, html, ...Object.values(data)].some((part) => part.includes(UNSUBSCRIBE_PLACEHOLDER));
  const isInHeaders = unsubscribeUrl !== '' || category === 'marketing';
  if (!isNamed && !isInHeaders) return content;
  const url = unsubscribeUrl === '' ? link() : unsubscribeUrl;
  const filled = (part: string, shown = url): string => part.replaceAll(UNSUBSCRIBE_PLACEHOLDER, () => shown);
  return {
    ...content,
    text: filled(text),
    html: filled(html, escaped(url)),
    data: Object.fromEntries(Object.entries(data).map(([name, value]) => [name, filled(value)])),
    unsubscribeUrl: isInHeaders ? url : '',
  };
}

/** As text or as the value of an attribute in HTML. */
const escaped = (url: string): string =>
  url.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll("'", '&#39;').replaceAll('<', '&lt;');
