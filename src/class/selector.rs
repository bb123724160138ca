//! Applies label selectors, with the meaning that Kubernetes gives them.

use std::collections::BTreeMap;

use crate::record::catalog::{Operator, Requirement, Selector};

impl Selector {
    /// Returns `true` if the selector selects an object with these labels. An empty selector selects everything.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let is_listed = || value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => is_listed(),
            Operator::NotIn => !is_listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_selects_what_kubernetes_would() {
        let labels = BTreeMap::from([("os".to_owned(), "rhel7".to_owned())]);
        let selects = |json: &str| serde_json::from_str::<Selector>(json).unwrap().selects(&labels);
        assert!(selects("{}"));
        assert!(selects(r#"{"matchLabels":{"os":"rhel7"}}"#));
        assert!(!selects(r#"{"matchLabels":{"os":"rhel7","tier":"base"}}"#));
        assert!(selects(r#"{"matchExpressions":[{"key":"os","operator":"In","values":["rhel6","rhel7"]}]}"#));
        assert!(!selects(r#"{"matchExpressions":[{"key":"os","operator":"NotIn","values":["rhel7"]}]}"#));
        assert!(selects(r#"{"matchExpressions":[{"key":"lang","operator":"NotIn","values":["go"]}]}"#));
        assert!(selects(r#"{"matchExpressions":[{"key":"os","operator":"Exists"}]}"#));
        assert!(selects(r#"{"matchExpressions":[{"key":"lang","operator":"DoesNotExist"}]}"#));
    }
}
