import { mount } from 'svelte';
import '../style.css';
import { embeddedComparison } from './comparison';
import Decision from './Decision.svelte';
import './decision.css';

const target = document.getElementById('page');
if (!target) throw new Error('decision.html has no element "page"');
try {
  const comparison = embeddedComparison(document);
  target.replaceChildren();
  mount(Decision, { target, props: { comparison } });
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  target.textContent = `This page cannot be shown: ${text}. このページを表示できません。`;
}
