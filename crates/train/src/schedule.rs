//! Linear warm-up, then a cosine (Loshchilov and Hutter, arXiv 1608.03983).

use glasswork_release::config::RunConfig;

/// Rate of step `step` (1-based), computed in f64 and rounded once.
pub fn learning_rate(run: &RunConfig, step: u64) -> f32 {
    let optimizer = &run.optimizer;
    let (peak, last) = (optimizer.learning_rate, optimizer.final_learning_rate);
    let (warm, steps) = (optimizer.warm_up_steps, run.training.steps);
    if step <= warm {
        return (peak * step as f64 / warm as f64) as f32;
    }
    let progress = (step - warm) as f64 / (steps.max(warm + 1) - warm) as f64;
    let cosine = libm::cos(std::f64::consts::PI * progress);
    (last + 0.5 * (peak - last) * (1.0 + cosine)) as f32
}
