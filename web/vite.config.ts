import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

/**
 * The two pages. Each is built by itself (`vite build`, `vite build --mode decision`): what two entries share would become a
 * file of its own.
 */
const pages = {
  report: { html: 'index.html', fixture: 'tests/fixture.json' },
  decision: { html: 'decision.html', fixture: 'tests/decision.json' },
} as const;

type Page = (typeof pages)[keyof typeof pages];

/**
 * Folds the one script and the one style sheet into the page and writes a content security policy that names their
 * digests: the page can run nothing else and can reach nothing, whatever text a release carries.
 */
function oneFile({ html: pageName }: Page): Plugin {
  return {
    name: 'glasswork-one-file',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const page = bundle[pageName];
      if (page?.type !== 'asset') this.error(`${pageName} is not in the bundle`);
      let script = '';
      let style = '';
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === 'chunk') script += file.code.replace(/<\/script/gi, '<\\/script');
        else if (name.endsWith('.css')) style += String(file.source).replace(/<\/style/gi, '<\\/style');
        else if (name !== pageName) this.error(`${name} cannot be folded into one page`);
        if (name !== pageName) delete bundle[name];
      }
      const policy =
        `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(style)}; ` +
        `base-uri 'none'; form-action 'none'`;
      const html = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, '')
        .replace(/\s*<link rel="stylesheet"[^>]*>/, '')
        .replace('<meta charset="utf-8" />', (found) =>
          `${found}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`)
        .replace('</head>', () => `  <style>${style}</style>\n  </head>`)
        .replace('</body>', () => `  <script type="module">${script}</script>\n  </body>`);
      if (/(src|href)="[^#"]/.test(html.replace(script, '').replace(style, ''))) {
        this.error(`${pageName} still refers to another file`);
      }
      page.source = html;
    },
  };
}

/** `npm run dev` shows the fixtures, at `/` and at `/decision.html`. */
function fixtureWhileDeveloping(): Plugin {
  return {
    name: 'glasswork-fixture',
    apply: 'serve',
    transformIndexHtml(html, { path }) {
      const { fixture: name } = path === '/decision.html' ? pages.decision : pages.report;
      const fixture = readFileSync(new URL(name, import.meta.url), 'utf8');
      return html.replace('"glasswork-report-data"', () => fixture.replaceAll('<', '\\u003c'));
    },
  };
}

export default defineConfig(({ mode }) => {
  const page = mode === 'decision' ? pages.decision : pages.report;
  return {
    base: './',
    plugins: [svelte(), oneFile(page), fixtureWhileDeveloping()],
    build: {
      target: 'es2022', cssCodeSplit: false, assetsInlineLimit: 0, modulePreload: false,
      // The first build empties the folder, the second adds to it.
      emptyOutDir: page === pages.report,
      rolldownOptions: { input: page.html, checks: { pluginTimings: false } },
    },
    test: { include: ['tests/*.test.ts'], environment: 'node' },
  };
});
