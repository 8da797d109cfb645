import { ONE_CLICK } from '../domain/one-click.js';

/**
 * Of every page: nothing is loaded or run, nobody frames it, and no cache, search engine or other site gets its URL,
 * which is all that it takes to unsubscribe.
 */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; sandbox allow-forms",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-robots-tag': 'noindex, nofollow',
} as const;

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`;

/** Asks first: programs that check links open them, and must not unsubscribe anybody. */
export const askPage = page(
  'Unsubscribe',
  `<p>Do you want to stop these emails?</p>
<form method="post">
<input type="hidden" name="${ONE_CLICK.name}" value="${ONE_CLICK.value}">
<button type="submit">Unsubscribe</button>
</form>`,
);

export const donePage = page(
  'You are unsubscribed',
  '<p role="status">You will not get these emails any more.</p>',
);
