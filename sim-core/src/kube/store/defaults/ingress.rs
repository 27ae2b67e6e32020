//! Ingress and `IngressClass`.

use crate::kube::objects::ingress::CLASS_ANNOTATION;
use crate::kube::objects::{Ingress, IngressClass};

/// The defaults of a class.
pub(crate) fn fill_class(class: &mut IngressClass) {
    if let Some(parameters) = &mut class.spec.parameters {
        parameters.scope.get_or_insert_with(|| "Cluster".to_owned());
    }
}

/// What the admission plugin `DefaultIngressClass` does with a new Ingress that names no class: of several default classes the
/// newest counts, of equally old ones the first by name.
pub(crate) fn class_of<'a>(ingress: &mut Ingress, classes: impl Iterator<Item = &'a IngressClass>) {
    let spec = &mut ingress.spec;
    if spec.ingress_class_name.is_some() || ingress.metadata.annotations.contains_key(CLASS_ANNOTATION) {
        return;
    }
    let order = |class: &&IngressClass| {
        (std::cmp::Reverse(class.metadata.creation_timestamp), class.metadata.name.clone())
    };
    spec.ingress_class_name =
        classes.filter(|class| class.is_default()).min_by_key(order).map(|class| class.metadata.name.clone());
}
